package podcheck

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

func (c *check) containers() {
	spec := &c.pod.Spec
	if len(spec.Containers) == 0 {
		c.add(at("spec.containers"), nil, "is required: a pod has at least one container")
	}
	names, hostPorts := map[string]bool{}, map[string]bool{}
	for i := range spec.Containers {
		ctr := &spec.Containers[i]
		p := at("spec.containers").item(i, ctr.Name)
		c.container(p, ctr, names)
		c.running(p, ctr)
		c.hostPorts(p, ctr, hostPorts)
	}
	for i := range spec.InitContainers {
		ctr := &spec.InitContainers[i]
		p := at("spec.initContainers").item(i, ctr.Name)
		c.container(p, ctr, names)
		c.hostPorts(p, ctr, map[string]bool{}) // they run one after the other
		if ctr.RestartPolicy != nil && *ctr.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			c.running(p, ctr)
			continue
		}
		for _, f := range []struct {
			name string
			set  bool
		}{
			{"lifecycle", ctr.Lifecycle != nil},
			{"livenessProbe", ctr.LivenessProbe != nil},
			{"readinessProbe", ctr.ReadinessProbe != nil},
			{"startupProbe", ctr.StartupProbe != nil},
		} {
			if f.set {
				c.add(p.child(f.name), nil, "may not be set for an init container without restartPolicy: Always")
			}
		}
	}
}

// container checks what holds for init containers and for others. names are those that
// are taken.
func (c *check) container(p path, ctr *corev1.Container, names map[string]bool) {
	if ctr.Name == "" {
		c.required(p.child("name"), "")
	} else {
		c.all(p.child("name"), ctr.Name, validation.IsDNS1123Label(ctr.Name))
		if names[ctr.Name] {
			c.add(p.child("name"), ctr.Name, "is given to two containers of the pod")
		}
		names[ctr.Name] = true
	}
	c.required(p.child("image"), ctr.Image)
	if strings.TrimSpace(ctr.Image) != ctr.Image {
		c.add(p.child("image"), ctr.Image, "must not begin or end with blanks")
	}
	oneOf(c, p.child("imagePullPolicy"), ctr.ImagePullPolicy, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)
	oneOf(c, p.child("terminationMessagePolicy"), ctr.TerminationMessagePolicy, corev1.TerminationMessageReadFile, corev1.TerminationMessageFallbackToLogsOnError)
	if ctr.RestartPolicy != nil {
		c.needsOneOf(p.child("restartPolicy"), string(*ctr.RestartPolicy), string(corev1.ContainerRestartPolicyAlways), string(corev1.ContainerRestartPolicyOnFailure), string(corev1.ContainerRestartPolicyNever))
	}
	c.ports(p.child("ports"), ctr.Ports)
	c.env(p.child("env"), ctr.Env)
	c.envFrom(p.child("envFrom"), ctr.EnvFrom)
	c.mounts(p.child("volumeMounts"), ctr)
	c.resources(p.child("resources"), &ctr.Resources)
	c.security(p.child("securityContext"), ctr.SecurityContext)
}

func (c *check) ports(p path, ports []corev1.ContainerPort) {
	names := map[string]bool{}
	for i := range ports {
		port := &ports[i]
		p := p.item(i, port.Name)
		if port.Name != "" {
			if bad := validation.IsValidPortName(port.Name); len(bad) > 0 {
				c.all(p.child("name"), port.Name, bad)
			} else if names[port.Name] {
				c.add(p.child("name"), port.Name, "is given to two ports of the container")
			}
			names[port.Name] = true
		}
		c.inRange(p.child("containerPort"), int64(port.ContainerPort), 1, 65535)
		if port.HostPort != 0 {
			c.inRange(p.child("hostPort"), int64(port.HostPort), 1, 65535)
		}
		oneOf(c, p.child("protocol"), port.Protocol, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
	}
}

// hostPorts checks that no port of the node is taken twice.
func (c *check) hostPorts(p path, ctr *corev1.Container, taken map[string]bool) {
	for i := range ctr.Ports {
		port := &ctr.Ports[i]
		if port.HostPort == 0 {
			continue
		}
		protocol := port.Protocol
		if protocol == "" {
			protocol = corev1.ProtocolTCP
		}
		key := fmt.Sprintf("%s/%s/%d", protocol, port.HostIP, port.HostPort)
		if taken[key] {
			c.add(p.child("ports").item(i, port.Name).child("hostPort"), key, "is taken by two ports")
		}
		taken[key] = true
	}
}

func (c *check) mounts(p path, ctr *corev1.Container) {
	devices := map[string]bool{}
	for _, d := range ctr.VolumeDevices {
		devices[d.Name], devices[d.DevicePath] = true, true
	}
	paths := map[string]bool{}
	for i := range ctr.VolumeMounts {
		m := &ctr.VolumeMounts[i]
		p := p.item(i, m.MountPath)
		switch {
		case m.Name == "":
			c.required(p.child("name"), "")
		case !c.mountable[m.Name]:
			c.add(p.child("name"), m.Name, "the pod has no such volume, or there is something wrong with it")
		}
		c.required(p.child("mountPath"), m.MountPath)
		if paths[m.MountPath] {
			c.add(p.child("mountPath"), m.MountPath, "is the path of two mounts of the container")
		}
		paths[m.MountPath] = true
		if devices[m.Name] || devices[m.MountPath] {
			c.add(p, nil, "has the name or the path of one of the container's volumeDevices")
		}
		c.localPath(p.child("subPath"), m.SubPath)
		c.localPath(p.child("subPathExpr"), m.SubPathExpr)
		if m.SubPath != "" && m.SubPathExpr != "" {
			c.add(p.child("subPathExpr"), m.SubPathExpr, "cannot be set together with subPath")
		}
		if m.MountPropagation != nil {
			c.propagation(p.child("mountPropagation"), *m.MountPropagation, ctr)
		}
	}
}

func (c *check) propagation(p path, mode corev1.MountPropagationMode, ctr *corev1.Container) {
	c.needsOneOf(p, string(mode), string(corev1.MountPropagationNone), string(corev1.MountPropagationHostToContainer), string(corev1.MountPropagationBidirectional))
	privileged := ctr.SecurityContext != nil && ctr.SecurityContext.Privileged != nil && *ctr.SecurityContext.Privileged
	if mode == corev1.MountPropagationBidirectional && !privileged {
		c.add(p, mode, "is for privileged containers only")
	}
}

func (c *check) security(p path, s *corev1.SecurityContext) {
	if s == nil {
		return
	}
	c.ids(p, s.RunAsUser, s.RunAsGroup)
	if s.ProcMount != nil {
		c.needsOneOf(p.child("procMount"), string(*s.ProcMount), string(corev1.DefaultProcMount), string(corev1.UnmaskedProcMount))
	}
	c.seccomp(p.child("seccompProfile"), s.SeccompProfile)
	c.appArmor(p.child("appArmorProfile"), s.AppArmorProfile)
	if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation {
		return
	}
	if s.Privileged != nil && *s.Privileged {
		c.add(p.child("allowPrivilegeEscalation"), false, "cannot be false together with privileged: true")
	}
	if s.Capabilities != nil {
		for _, capability := range s.Capabilities.Add {
			if capability == "CAP_SYS_ADMIN" {
				c.add(p.child("allowPrivilegeEscalation"), false, "cannot be false together with the capability CAP_SYS_ADMIN")
			}
		}
	}
}
