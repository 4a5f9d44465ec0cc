package patch

import corev1 "k8s.io/api/core/v1"

// appendUsual writes what injections mostly consist of: variables, and volumes of
// which most are empty directories. It writes what appendStruct would, without a
// look at the thirty kinds of volume that this one is not. ok is false for a value
// in which anything else is set; then nothing is written.
func appendUsual(b []byte, value any) (_ []byte, ok bool) {
	switch v := value.(type) {
	case *corev1.EnvVar:
		return appendVariable(b, v)
	case *corev1.Volume:
		return appendEmptyDir(b, v)
	}
	return b, false
}

func appendVariable(b []byte, v *corev1.EnvVar) ([]byte, bool) {
	if *v != (corev1.EnvVar{Name: v.Name, Value: v.Value, ValueFrom: v.ValueFrom}) {
		return b, false
	}
	var field *corev1.ObjectFieldSelector
	if from := v.ValueFrom; from != nil {
		field = from.FieldRef
		if field == nil || *from != (corev1.EnvVarSource{FieldRef: field}) || *field != (corev1.ObjectFieldSelector{FieldPath: field.FieldPath}) {
			return b, false
		}
	}
	b = appendQuoted(append(b, `{"name":`...), v.Name)
	if v.Value != "" {
		b = appendQuoted(append(b, `,"value":`...), v.Value)
	}
	if field != nil {
		b = appendQuoted(append(b, `,"valueFrom":{"fieldRef":{"fieldPath":`...), field.FieldPath)
		b = append(b, "}}"...)
	}
	return append(b, '}'), true
}

func appendEmptyDir(b []byte, v *corev1.Volume) ([]byte, bool) {
	dir := v.EmptyDir
	if dir == nil || *v != (corev1.Volume{Name: v.Name, VolumeSource: corev1.VolumeSource{EmptyDir: dir}}) ||
		*dir != (corev1.EmptyDirVolumeSource{Medium: dir.Medium}) {
		return b, false
	}
	b = appendQuoted(append(b, `{"name":`...), v.Name)
	b = append(b, `,"emptyDir":{`...)
	if dir.Medium != "" {
		b = appendQuoted(append(b, `"medium":`...), string(dir.Medium))
	}
	return append(b, "}}"...), true
}
