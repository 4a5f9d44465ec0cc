package main

// strict closes every object that lists its properties, unless it says that
// others are welcome, and lets fields that are a number or a string be both.
func strict(schema map[string]any) map[string]any {
	closed := make(map[string]any, len(schema)+1)
	for key, value := range schema {
		switch key {
		case "properties", "definitions", "patternProperties":
			closed[key] = strictMap(value)
		case "description", "x-kubernetes-group-version-kind", "default", "example":
			// Says nothing about validity, and is most of the text.
		default:
			closed[key] = strictValue(value)
		}
	}
	if open, _ := schema["x-kubernetes-preserve-unknown-fields"].(bool); open {
		return closed
	}
	if both, _ := schema["x-kubernetes-int-or-string"].(bool); both {
		closed["type"] = []any{"string", "number"}
		return closed
	}
	if _, lists := schema["properties"]; lists {
		if _, said := schema["additionalProperties"]; !said {
			closed["additionalProperties"] = false
		}
	}
	return closed
}

// strictMap is for maps whose keys are names of fields, not words of a schema.
func strictMap(value any) any {
	m, ok := value.(map[string]any)
	if !ok {
		return value
	}
	closed := make(map[string]any, len(m))
	for name, field := range m {
		closed[name] = strictValue(field)
	}
	return closed
}

func strictValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return strict(v)
	case []any:
		closed := make([]any, len(v))
		for i := range v {
			closed[i] = strictValue(v[i])
		}
		return closed
	}
	return value
}
