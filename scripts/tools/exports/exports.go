package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// load reads every package of the module in dir, with all of its tests.
func load(dir string) ([]*packages.Package, error) {
	all, err := packages.Load(&packages.Config{
		Mode:       packages.NeedName | packages.NeedModule | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports,
		Dir:        dir,
		Tests:      true,
		BuildFlags: []string{"-tags=e2e,integration"},
	}, "./...")
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, p := range all {
		for _, e := range p.Errors {
			errs = append(errs, e)
		}
	}
	return all, errors.Join(errs...)
}

// owner returns the import path of the package that a test belongs to, and of any
// other package its own.
func owner(p *packages.Package) string {
	path := strings.TrimSuffix(p.PkgPath, ".test")
	return strings.TrimSuffix(path, "_test")
}

// A finding is an exported identifier that no other package needs.
type finding struct {
	name  string // import path below the module, a dot, identifier
	place string
}

// unneeded returns the findings in the packages' own order. Several variants of a
// package are loaded, one for its tests; identifiers are told apart by name.
func unneeded(all []*packages.Package) []finding {
	s := &search{objects: map[string]types.Object{}, needed: map[string]bool{}, places: map[string]string{}, ours: map[string]bool{}}
	for _, p := range all {
		s.declare(p)
	}
	for _, p := range all {
		for _, object := range p.TypesInfo.Uses {
			if object.Pkg() != nil && owner(p) != object.Pkg().Path() {
				s.need(object)
			}
		}
	}
	var findings []finding
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		if object := s.objects[name]; !s.needed[name] && !s.ofNeededType(object) && !isError(object) {
			findings = append(findings, finding{name, s.places[name]})
		}
	}
	return findings
}

// search marks what is needed. All of its maps go by name.
type search struct {
	objects map[string]types.Object
	places  map[string]string
	needed  map[string]bool
	ours    map[string]bool // import paths of the packages whose identifiers count
}

// declare adds the exported identifiers of a package that is no test and no
// program.
func (s *search) declare(p *packages.Package) {
	if p.Name == "main" || p.Module == nil || p.ID != p.PkgPath {
		return
	}
	below := strings.TrimPrefix(p.PkgPath, p.Module.Path+"/")
	if !strings.HasPrefix(below, "pkg/") && !strings.HasPrefix(below, "internal/") {
		return
	}
	s.ours[p.PkgPath] = true
	for _, name := range p.Types.Scope().Names() {
		if object := p.Types.Scope().Lookup(name); ast.IsExported(name) {
			s.objects[key(object)] = object
			s.places[key(object)] = p.Fset.Position(object.Pos()).String()
		}
	}
}

func key(object types.Object) string { return object.Pkg().Path() + "." + object.Name() }

// need marks an object, and what is declared with it, as needed.
func (s *search) need(object types.Object) {
	if object.Pkg() == nil || object.Parent() != object.Pkg().Scope() {
		return // a field, method or local name: its type is what counts
	}
	name := key(object)
	own, declared := s.objects[name]
	if !declared || s.needed[name] {
		return
	}
	s.needed[name] = true
	s.needType(own.Type(), map[types.Type]bool{})
}

// needType marks the named types that a type is written with.
func (s *search) needType(t types.Type, seen map[types.Type]bool) {
	if t == nil || seen[t] {
		return
	}
	seen[t] = true
	switch t := t.(type) {
	case *types.Alias:
		s.need(t.Obj())
		s.needType(t.Rhs(), seen)
	case *types.Named:
		s.need(t.Obj())
		for arg := range t.TypeArgs().Types() {
			s.needType(arg, seen)
		}
		if t.Obj().Pkg() == nil || !s.ours[t.Obj().Pkg().Path()] {
			return
		}
		s.needType(t.Underlying(), seen)
		for method := range t.Methods() {
			if method.Exported() {
				s.needType(method.Type(), seen)
			}
		}
	case *types.Pointer:
		s.needType(t.Elem(), seen)
	case *types.Slice:
		s.needType(t.Elem(), seen)
	case *types.Array:
		s.needType(t.Elem(), seen)
	case *types.Chan:
		s.needType(t.Elem(), seen)
	case *types.Map:
		s.needType(t.Key(), seen)
		s.needType(t.Elem(), seen)
	case *types.Tuple:
		for v := range t.Variables() {
			s.needType(v.Type(), seen)
		}
	case *types.Signature:
		s.needType(t.Params(), seen)
		s.needType(t.Results(), seen)
		for p := range t.TypeParams().TypeParams() {
			s.needType(p.Constraint(), seen)
		}
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() || f.Embedded() {
				s.needType(f.Type(), seen)
			}
		}
	case *types.Interface:
		for m := range t.Methods() {
			s.needType(m.Type(), seen)
		}
		for e := range t.EmbeddedTypes() {
			s.needType(e, seen)
		}
	case *types.Union:
		for term := range t.Terms() {
			s.needType(term.Type(), seen)
		}
	}
}

// ofNeededType reports whether an object is a constant or variable of a needed
// type of its own package, as the values of an enumeration are.
func (s *search) ofNeededType(object types.Object) bool {
	switch object.(type) {
	case *types.Const, *types.Var:
	default:
		return false
	}
	t, ok := object.Type().(*types.Named)
	return ok && t.Obj().Pkg() == object.Pkg() && s.needed[key(t.Obj())]
}

// isError reports whether an object is an error type or an error: callers get those
// in a chain of errors and may look for them any time.
func isError(object types.Object) bool {
	iface := types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
	switch object.(type) {
	case *types.TypeName, *types.Var:
		return types.Implements(object.Type(), iface) || types.Implements(types.NewPointer(object.Type()), iface)
	}
	return false
}

// check compares findings with the exceptions.
func check(findings []finding, allowed map[string]string) []string {
	var problems []string
	found := map[string]bool{}
	for _, f := range findings {
		found[f.name] = true
		if allowed[f.name] == "" {
			problems = append(problems, fmt.Sprintf("%s: %s: no other package needs it: unexport it", f.place, f.name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(allowed)) {
		if !found[name] {
			problems = append(problems, fmt.Sprintf("%s is an exception, but it is needed or does not exist: remove the line", name))
		}
	}
	return problems
}

// parseAllowed reads exceptions: in each line an identifier with its import path,
// then the reason. Lines that begin with # are comments.
func parseAllowed(file, text string) (map[string]string, error) {
	allowed := map[string]string{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, reason, _ := strings.Cut(line, " ")
		if reason = strings.TrimSpace(reason); reason == "" {
			return nil, fmt.Errorf("%s:%d: %s has no reason: add one", file, i+1, name)
		}
		allowed[name] = reason
	}
	return allowed, nil
}
