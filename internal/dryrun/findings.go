package dryrun

import "strings"

// findings are what the API server found wrong with the pods of some templates.
type findings struct {
	problems []*found
	usual    map[string]int // usual pods that it has judged, by their templates
}

// found is one problem, wherever it is in the lists of a pod.
type found struct {
	first PodError
	usual map[string]int // usual pods that have it, by their templates
}

func (f *findings) add(p pod, problems []problem) {
	if f.usual == nil {
		f.usual = map[string]int{}
	}
	for _, t := range p.trials {
		if t.Usual {
			f.usual[strings.Join(t.Templates, ",")]++
		}
	}
	has := map[*found]bool{}
	for _, problem := range problems {
		one := f.find(p, problem)
		if has[one] {
			continue
		}
		has[one] = true
		for _, t := range p.trials {
			if t.Usual {
				one.usual[strings.Join(t.Templates, ",")]++
			}
		}
	}
}

func (f *findings) find(p pod, problem problem) *found {
	for _, one := range f.problems {
		if withoutIndexes(one.first.Field) == withoutIndexes(problem.field) && one.first.Reason == problem.reason {
			return one
		}
	}
	one := &found{PodError{Pod: p.what, Field: problem.field, Reason: problem.reason}, map[string]int{}}
	f.problems = append(f.problems, one)
	return one
}

// tell makes an error of what every usual pod of some templates has, and a warning of
// the rest.
func (f *findings) tell(r *Result) {
	for _, one := range f.problems {
		every := false
		for templates, n := range one.usual {
			every = every || n == f.usual[templates]
		}
		if every {
			r.Errors = append(r.Errors, &one.first)
		} else {
			r.Warnings = append(r.Warnings, one.first.Error())
		}
	}
}
