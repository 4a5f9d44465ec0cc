package podcheck

import (
	"path/filepath"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

func (c *check) volumes() {
	c.mountable = map[string]bool{}
	for i := range c.pod.Spec.Volumes {
		v := &c.pod.Spec.Volumes[i]
		p := at("spec.volumes").item(i, v.Name)
		before := len(c.found)
		if v.Name == "" {
			c.required(p.child("name"), "")
		} else {
			c.all(p.child("name"), v.Name, validation.IsDNS1123Label(v.Name))
		}
		if c.mountable[v.Name] {
			c.add(p.child("name"), v.Name, "is given to two volumes")
		}
		c.volumeSource(p, &v.VolumeSource)
		if len(c.found) == before {
			c.mountable[v.Name] = true
		}
	}
}

// volumeSource checks what a volume holds. One that says nothing becomes an emptyDir.
func (c *check) volumeSource(p path, v *corev1.VolumeSource) {
	if names, _ := sources(reflect.ValueOf(v).Elem()); len(names) > 1 {
		c.add(p, strings.Join(names, ", "), "may have one source only")
		return
	}
	switch {
	case v.EmptyDir != nil:
		if l := v.EmptyDir.SizeLimit; l != nil && l.Sign() < 0 {
			c.add(p.child("emptyDir.sizeLimit"), l.String(), "must not be negative")
		}
	case v.HostPath != nil:
		p := p.child("hostPath")
		c.required(p.child("path"), v.HostPath.Path)
		c.noBacksteps(p.child("path"), v.HostPath.Path)
		if v.HostPath.Type != nil {
			oneOf(c, p.child("type"), *v.HostPath.Type, corev1.HostPathDirectoryOrCreate, corev1.HostPathDirectory, corev1.HostPathFileOrCreate, corev1.HostPathFile, corev1.HostPathSocket, corev1.HostPathCharDev, corev1.HostPathBlockDev)
		}
	case v.Secret != nil:
		p := p.child("secret")
		c.required(p.child("secretName"), v.Secret.SecretName)
		c.mode(p.child("defaultMode"), v.Secret.DefaultMode)
		c.items(p.child("items"), v.Secret.Items)
	case v.ConfigMap != nil:
		p := p.child("configMap")
		c.required(p.child("name"), v.ConfigMap.Name)
		c.mode(p.child("defaultMode"), v.ConfigMap.DefaultMode)
		c.items(p.child("items"), v.ConfigMap.Items)
	case v.DownwardAPI != nil:
		p := p.child("downwardAPI")
		c.mode(p.child("defaultMode"), v.DownwardAPI.DefaultMode)
		c.downwardFiles(p.child("items"), v.DownwardAPI.Items)
	case v.Projected != nil:
		c.projected(p.child("projected"), v.Projected)
	case v.PersistentVolumeClaim != nil:
		c.required(p.child("persistentVolumeClaim.claimName"), v.PersistentVolumeClaim.ClaimName)
	case v.NFS != nil:
		c.required(p.child("nfs.server"), v.NFS.Server)
		if !filepath.IsAbs(v.NFS.Path) {
			c.add(p.child("nfs.path"), v.NFS.Path, "must be an absolute path")
		}
	case v.CSI != nil:
		c.required(p.child("csi.driver"), v.CSI.Driver)
	}
}

// sources returns the JSON names of the sources that are set, the pointers of a struct.
// dropped is set when there is one besides, of those that an API server drops where a
// feature is not enabled.
func sources(v reflect.Value) (names []string, dropped bool) {
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Pointer && !f.IsNil() {
			switch name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); name {
			case "clusterTrustBundle", "podCertificate", "image", "fileKeyRef":
				dropped = true
			default:
				names = append(names, name)
			}
		}
	}
	return names, dropped
}

// mode checks the permission bits of files.
func (c *check) mode(p path, mode *int32) {
	if mode != nil && (*mode < 0 || *mode > 0o777) {
		c.add(p, *mode, "must be from 0 to 0777 (511 without the leading zero)")
	}
}

func (c *check) items(p path, items []corev1.KeyToPath) {
	for i, item := range items {
		p := p.item(i, item.Key)
		c.required(p.child("key"), item.Key)
		c.required(p.child("path"), item.Path)
		c.localPath(p.child("path"), item.Path)
		c.mode(p.child("mode"), item.Mode)
	}
}

func (c *check) downwardFiles(p path, files []corev1.DownwardAPIVolumeFile) {
	for i, f := range files {
		p := p.item(i, f.Path)
		c.required(p.child("path"), f.Path)
		c.localPath(p.child("path"), f.Path)
		c.mode(p.child("mode"), f.Mode)
		if (f.FieldRef == nil) == (f.ResourceFieldRef == nil) {
			c.add(p, nil, "must have one of fieldRef and resourceFieldRef")
		}
		c.fieldRef(p.child("fieldRef"), f.FieldRef)
		c.resourceRef(p.child("resourceFieldRef"), f.ResourceFieldRef)
		if f.ResourceFieldRef != nil {
			c.required(p.child("resourceFieldRef.containerName"), f.ResourceFieldRef.ContainerName)
		}
	}
}

// The bounds of a service account token's life, in seconds: ten minutes, and 2^32, see
// validateProjectionSources.
const (
	minTokenSeconds = 10 * 60
	maxTokenSeconds = 1 << 32
)

func (c *check) projected(p path, v *corev1.ProjectedVolumeSource) {
	c.mode(p.child("defaultMode"), v.DefaultMode)
	for i := range v.Sources {
		s, p := &v.Sources[i], p.child("sources").item(i, "")
		if names, _ := sources(reflect.ValueOf(s).Elem()); len(names) > 1 {
			c.add(p, strings.Join(names, ", "), "may have one source only")
			continue
		}
		switch {
		case s.Secret != nil:
			c.required(p.child("secret.name"), s.Secret.Name)
			c.items(p.child("secret.items"), s.Secret.Items)
		case s.ConfigMap != nil:
			c.required(p.child("configMap.name"), s.ConfigMap.Name)
			c.items(p.child("configMap.items"), s.ConfigMap.Items)
		case s.DownwardAPI != nil:
			c.downwardFiles(p.child("downwardAPI.items"), s.DownwardAPI.Items)
		case s.ServiceAccountToken != nil:
			p, t := p.child("serviceAccountToken"), s.ServiceAccountToken
			if t.ExpirationSeconds != nil {
				c.inRange(p.child("expirationSeconds"), *t.ExpirationSeconds, minTokenSeconds, maxTokenSeconds)
			}
			c.required(p.child("path"), t.Path)
			c.localPath(p.child("path"), t.Path)
		}
	}
}

// localPath checks a path that must stay below its place.
func (c *check) localPath(p path, value string) {
	if filepath.IsAbs(value) {
		c.add(p, value, "must be a relative path")
	}
	c.noBacksteps(p, value)
}

func (c *check) noBacksteps(p path, value string) {
	for part := range strings.SplitSeq(value, "/") {
		if part == ".." {
			c.add(p, value, "must not contain '..'")
			return
		}
	}
}
