//go:build e2e

package badconfig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"
)

// change is one configuration, as those want it who write values and those who
// write objects.
type change struct {
	values  values   // nil: the chart cannot make it
	objects *objects // nil: the chart does not render it
}

// The numbers of the ways.
const (
	helm3 = iota
	helm4
	edit
	apply
)

// way is how somebody changes the configuration.
type way struct {
	number int
	name   string
	// can says whether a change can be made in this way.
	can func(s *site, c change) bool
	// write returns why the change was refused. What it wrote before that stays.
	write func(ctx context.Context, s *site, c change) error
}

func ways() []way {
	hasValues := func(_ *site, c change) bool { return c.values != nil }
	hasObjects := func(_ *site, c change) bool { return c.objects != nil }
	return []way{
		{helm3, "helm upgrade, Helm 3", hasValues, func(ctx context.Context, s *site, c change) error {
			return s.helmUpgrade(ctx, s.lab.Helm, c.values)
		}},
		{helm4, "helm upgrade, Helm 4", hasValues, func(ctx context.Context, s *site, c change) error {
			return s.helmUpgrade(ctx, s.lab.Helm4, c.values, "--server-side=true", "--force-conflicts")
		}},
		{edit, "kubectl edit", hasObjects, kubectlEdit},
		{apply, "server-side apply", canApply, serverSideApply},
	}
}

func (s *site) helmUpgrade(ctx context.Context, helm func(context.Context, ...string) (string, error), v values, more ...string) error {
	file, err := s.valuesFile(v)
	if err != nil {
		return err
	}
	args := append([]string{"upgrade", release, s.lab.Chart(), "--namespace", namespace, "--reset-values", "--values", file, "--history-max", "3"}, more...)
	_, err = helm(ctx, args...)
	return err
}

func (s *site) valuesFile(v values) (string, error) {
	text, err := yaml.Marshal(v)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, "values.yaml")
	return path, os.WriteFile(path, text, 0o600)
}

// render returns the ConfigMaps that the chart makes of these values.
func (s *site) render(ctx context.Context, mark string, v values) (objects, error) {
	file, err := s.valuesFile(v)
	if err != nil {
		return objects{}, err
	}
	out, err := s.lab.Helm(ctx, "template", release, s.lab.Chart(), "--namespace", namespace, "--values", file,
		"--show-only", "templates/configmap-inject.yaml", "--show-only", "templates/configmap-mesh.yaml")
	if err != nil {
		return objects{}, err
	}
	return parseObjects(mark, out)
}

// both are the names of the ConfigMaps in the order in which they are applied: that
// of the names.
func (o *objects) both() []struct {
	name string
	want *corev1.ConfigMap
} {
	return []struct {
		name string
		want *corev1.ConfigMap
	}{{meshName, o.mesh}, {injectName, o.inject}}
}

// kubectlEdit sends for each ConfigMap what kubectl edit sends: the difference
// between what was read and what was saved.
func kubectlEdit(ctx context.Context, s *site, c change) error {
	var errs []error
	for _, cm := range c.objects.both() {
		errs = append(errs, s.edit(ctx, cm.name, cm.want))
	}
	return errors.Join(errs...)
}

func (s *site) edit(ctx context.Context, name string, want *corev1.ConfigMap) error {
	configMaps := s.lab.Client.CoreV1().ConfigMaps(namespace)
	live, err := configMaps.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) && want == nil:
		return nil
	case apierrors.IsNotFound(err): // it was deleted, so it is made again
		_, err = configMaps.Create(ctx, want, metav1.CreateOptions{})
		return err
	case err != nil:
		return err
	case want == nil:
		return configMaps.Delete(ctx, name, metav1.DeleteOptions{})
	}
	edited := live.DeepCopy()
	edited.Data, edited.BinaryData = want.Data, want.BinaryData
	before, err := json.Marshal(live)
	if err != nil {
		return err
	}
	after, err := json.Marshal(edited)
	if err != nil {
		return err
	}
	patch, err := strategicpatch.CreateTwoWayMergePatch(before, after, corev1.ConfigMap{})
	if err != nil || string(patch) == "{}" {
		return err
	}
	_, err = configMaps.Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-edit"})
	return err
}

// canApply is false for what applying cannot do: it deletes no object, and takes no
// key away that another client owns too.
func canApply(s *site, c change) bool {
	if c.objects == nil {
		return false
	}
	for _, pair := range [][2]*corev1.ConfigMap{{c.objects.inject, s.good.objects.inject}, {c.objects.mesh, s.good.objects.mesh}} {
		if pair[0] == nil {
			return false
		}
		for key := range pair[1].Data {
			if _, there := pair[0].Data[key]; !there {
				return false
			}
		}
	}
	return true
}

// serverSideApply does what a GitOps controller does: it applies one whole object
// after the other, and tries the next one when one was refused.
func serverSideApply(ctx context.Context, s *site, c change) error {
	var errs []error
	for _, cm := range c.objects.both() {
		object := cm.want.DeepCopy()
		object.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}
		text, err := json.Marshal(object)
		if err != nil {
			return err
		}
		_, err = s.lab.Client.CoreV1().ConfigMaps(namespace).Patch(ctx, cm.name, types.ApplyPatchType, text,
			metav1.PatchOptions{FieldManager: "argocd-controller", Force: ptr.To(true)})
		if err != nil {
			errs = append(errs, fmt.Errorf("apply %s: %w", cm.name, err))
		}
	}
	return errors.Join(errs...)
}
