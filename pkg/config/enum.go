package config

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"go.yaml.in/yaml/v3"
)

// wrongName is the name of an enumeration's value that there is not.
type wrongName struct {
	node    *yaml.Node
	path    string
	choices string
}

// unknownName finds, in the value of a field and below, a name that the field's
// enumeration does not have; nil when there is none. protojson tells neither where it is
// nor what is allowed.
func unknownName(field protoreflect.FieldDescriptor, v *yaml.Node, path string) *wrongName {
	v = resolve(v)
	if field.IsList() && v.Kind == yaml.SequenceNode {
		for i, item := range v.Content {
			if wrong := unknownIn(field, resolve(item), fmt.Sprintf("%s[%d]", path, i)); wrong != nil {
				return wrong
			}
		}
		return nil
	}
	if field.IsMap() {
		return nil
	}
	return unknownIn(field, v, path)
}

func unknownIn(field protoreflect.FieldDescriptor, v *yaml.Node, path string) *wrongName {
	switch {
	case field.Kind() == protoreflect.EnumKind && v.Kind == yaml.ScalarNode && v.Tag == "!!str":
		values := field.Enum().Values()
		if values.ByName(protoreflect.Name(v.Value)) != nil {
			return nil
		}
		var names []string
		for i := range values.Len() {
			names = append(names, string(values.Get(i).Name()))
		}
		return &wrongName{v, path, strings.Join(names, ", ")}
	case field.Kind() == protoreflect.MessageKind && v.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(v.Content); i += 2 {
			name := v.Content[i].Value
			below := field.Message().Fields().ByJSONName(name)
			if below == nil {
				continue
			}
			if wrong := unknownName(below, v.Content[i+1], path+"."+name); wrong != nil {
				return wrong
			}
		}
	}
	return nil
}
