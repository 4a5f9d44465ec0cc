package workload

import "strings"

// podLocation is where a workload has the pods that it creates.
type podLocation struct {
	// template is the path of the object that has the pod's spec, without spec
	// itself; metadata is the path of the object that has its metadata.
	template, metadata []string
	// fallback is used in place of metadata when the pod template has no metadata.
	// The reference injector reads and writes a CronJob's job template instead of
	// its pod template. We do so only when the pod template has no metadata, where
	// the results must agree: a job's labels never reach its pods.
	fallback []string
}

// locationOf returns where the pod template of a kind is; ok is false for kinds
// that create no pods.
func locationOf(apiVersion, kind string) (l podLocation, ok bool) {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found && apiVersion != "v1" {
		return podLocation{}, false
	}
	inTemplate := podLocation{template: []string{"spec", "template"}, metadata: []string{"spec", "template"}}
	switch group + "/" + kind {
	case "v1/Pod":
		return podLocation{}, true
	case "v1/ReplicationController", "v1/DeploymentConfig",
		"apps/Deployment", "apps/DaemonSet", "apps/StatefulSet", "apps/ReplicaSet",
		"extensions/Deployment", "extensions/DaemonSet", "extensions/ReplicaSet",
		"batch/Job", "apps.openshift.io/DeploymentConfig", "argoproj.io/Rollout":
		return inTemplate, true
	case "batch/CronJob":
		template := []string{"spec", "jobTemplate", "spec", "template"}
		return podLocation{template: template, metadata: template, fallback: []string{"spec", "jobTemplate"}}, true
	}
	return podLocation{}, false
}
