package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// Most changes are of comparisons, and most of the time goes into building. So
// all changes of a package's comparisons are built into one program, and the
// environment says which of them is in force. Other changes depend on types,
// which are not known here; they are built one at a time.

// envName is the variable that holds the number of the change in force.
const envName = "MUTANT"

// switches is what a package's combined program needs besides. A comparison
// whose boundary moves is a call, so that its operands are evaluated once.
const switches = `
import (
	"cmp"
	"os"
	"strconv"
)

var mutantInForce, _ = strconv.Atoi(os.Getenv("` + envName + `"))

func mutant(n int) bool { return mutantInForce == n }

func mutantLSS[T cmp.Ordered](n int, a, b T) bool { return a < b || mutant(n) && a == b }
func mutantGTR[T cmp.Ordered](n int, a, b T) bool { return a > b || mutant(n) && a == b }
func mutantLEQ[T cmp.Ordered](n int, a, b T) bool { return a < b || a == b && !mutant(n) }
func mutantGEQ[T cmp.Ordered](n int, a, b T) bool { return a > b || a == b && !mutant(n) }
`

// calls names the function of each comparison that has a boundary.
var calls = map[token.Token]string{token.LSS: "mutantLSS", token.GTR: "mutantGTR", token.LEQ: "mutantLEQ", token.GEQ: "mutantGEQ"}

// combine returns a file's source in which the environment chooses between the
// comparisons as they are and each change of them, and the name of its package.
// It numbers the changes that it knows, which are those of one file, from next
// on: their Number is not 0 then. Lines stay where they are.
func combine(source []byte, changes []mutant, next int) (combined []byte, pkg string, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, "", err
	}
	type place struct{ line, column int }
	at := map[place][]*mutant{}
	for i := range changes {
		p := place{changes[i].Line, changes[i].Column}
		at[p] = append(at[p], &changes[i])
	}
	type edit struct {
		offset int
		remove int
		insert string
	}
	var edits []edit // those at one offset in the order in which they are to stand
	offset := func(p token.Pos) int { return files.PositionFor(p, false).Offset }
	var stack []ast.Node
	ast.Inspect(file, func(node ast.Node) bool {
		if node != nil {
			if decl, ok := node.(*ast.GenDecl); ok && decl.Tok == token.CONST {
				return false // must stay a constant
			}
			stack = append(stack, node)
			return true
		}
		node, stack = stack[len(stack)-1], stack[:len(stack)-1]
		binary, ok := node.(*ast.BinaryExpr)
		if !ok {
			return true
		}
		position := files.PositionFor(binary.OpPos, false)
		open, end := "(", ")"
		for _, m := range at[place{position.Line, position.Column}] {
			switch m.Kind {
			case "CONDITIONALS_BOUNDARY":
				m.Number = next
				open += fmt.Sprintf("%s(%d, ", calls[binary.Op], next)
				edits = append(edits, edit{position.Offset, len(binary.Op.String()), ","})
				end = ")" + end
				next++
			case "CONDITIONALS_NEGATION":
				m.Number = next
				open = "(" + open
				end += fmt.Sprintf(" != mutant(%d))", next)
				next++
			}
		}
		if len(end) > 1 {
			// Children come first: what opens here stands before what they open at the
			// same place, what ends here behind what they end.
			edits = slices.Insert(edits, 0, edit{offset: offset(binary.Pos()), insert: open})
			edits = append(edits, edit{offset: offset(binary.End()), insert: end})
		}
		return true
	})
	slices.SortStableFunc(edits, func(a, b edit) int { return a.offset - b.offset })
	var out bytes.Buffer
	done := 0
	for _, e := range edits {
		out.Write(source[done:e.offset])
		out.WriteString(e.insert)
		done = e.offset + e.remove
	}
	out.Write(source[done:])
	return out.Bytes(), file.Name.Name, nil
}

// switchesFile is the file that each package with combined changes gets.
func switchesFile(pkg string) []byte {
	return []byte("package " + strings.TrimSuffix(pkg, "_test") + "\n" + switches)
}
