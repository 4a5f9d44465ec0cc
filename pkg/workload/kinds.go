package workload

import "strings"

// place says where a workload keeps the pods that it makes.
type place struct {
	// template is the path of the object that holds the pod's spec, spec itself
	// left out; metadata the path of the one that holds its metadata.
	template, metadata []string
	// fallback is where the metadata is while metadata has none. The reference
	// reads and writes that of a CronJob's pods in its job template; we do where
	// the pod template says nothing, so that the results agree, and not where it
	// does, because a job's labels never reach its pods.
	fallback []string
}

// placeOf tells where the pod template of a kind is; ok is false for kinds that
// make no pods.
func placeOf(apiVersion, kind string) (p place, ok bool) {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found && apiVersion != "v1" {
		return place{}, false
	}
	own := place{template: []string{"spec", "template"}, metadata: []string{"spec", "template"}}
	switch group + "/" + kind {
	case "v1/Pod":
		return place{}, true
	case "v1/ReplicationController", "v1/DeploymentConfig",
		"apps/Deployment", "apps/DaemonSet", "apps/StatefulSet", "apps/ReplicaSet",
		"extensions/Deployment", "extensions/DaemonSet", "extensions/ReplicaSet",
		"batch/Job", "apps.openshift.io/DeploymentConfig", "argoproj.io/Rollout":
		return own, true
	case "batch/CronJob":
		template := []string{"spec", "jobTemplate", "spec", "template"}
		return place{template: template, metadata: template, fallback: []string{"spec", "jobTemplate"}}, true
	}
	return place{}, false
}
