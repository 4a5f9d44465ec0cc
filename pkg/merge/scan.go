package merge

import (
	"strings"
	"unicode/utf8"
)

// scan reads the part of YAML that templates are written in straight into
// nodes: block mappings and sequences, scalars of one line, literal blocks,
// flow collections. It is many times faster than a YAML library, whose result
// it must equal. It does not read anything else: it returns ok false, and the
// library reads the text.
func scan(text string) (root *node, ok bool) {
	if !plainText(text) {
		return nil, false
	}
	s := &scanner{text: text}
	defer func() {
		// The scanner leaves its recursion from any depth this way, and only so.
		switch r := recover(); r {
		case nil:
		case giveUp:
			root, ok = nil, false
		default:
			panic(r)
		}
	}()
	s.advance()
	root = s.block(0)
	return root, s.done
}

// unsupported is what the scanner panics with when the library has to read the
// text.
type unsupported struct{}

var giveUp = &unsupported{}

// plainText reports whether the text has only the characters the scanner knows:
// others may be line breaks, or nothing, depending on who reads.
func plainText(text string) bool {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c >= ' ' && c <= '~' || c == '\n' {
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r < 0xa0 || r > 0xd7ff || r == lineSeparator || r == paragraphSeparator {
			return false
		}
		i += size - 1
	}
	return true
}

const lineSeparator, paragraphSeparator = 0x2028, 0x2029

// scanner stands on a line that says something: from content to end, indented
// by indent, which for what follows a dash is the column behind it.
type scanner struct {
	text    string
	next    int // where the line after this one begins
	content int
	end     int
	indent  int
	done    bool

	nodes []node // not yet used
	count int    // of those in use
}

func (s *scanner) fail() { panic(giveUp) }

func (s *scanner) require(ok bool) {
	if !ok {
		panic(giveUp)
	}
}

func (s *scanner) node(k kind, scalar string) *node {
	const chunk = 46 // which fill 4 KiB
	s.count++
	s.require(s.count <= maxNodes)
	if len(s.nodes) == 0 {
		s.nodes = make([]node, chunk)
	}
	n := &s.nodes[0]
	s.nodes = s.nodes[1:]
	n.kind, n.scalar = k, scalar
	return n
}

// advance goes to the next line that is neither blank nor a comment.
func (s *scanner) advance() {
	for s.next < len(s.text) {
		start := s.next
		end := s.lineEnd(start)
		s.next = end + 1
		i := start
		for i < end && s.text[i] == ' ' {
			i++
		}
		if i == end || s.text[i] == '#' {
			continue
		}
		// Document markers and directives.
		s.require(i > start || !strings.HasPrefix(s.text[i:end], "---") && !strings.HasPrefix(s.text[i:end], "...") && s.text[i] != '%')
		s.content, s.end, s.indent = i, end, i-start
		return
	}
	s.done = true
}

func (s *scanner) lineEnd(from int) int {
	if i := strings.IndexByte(s.text[from:], '\n'); i >= 0 {
		return from + i
	}
	return len(s.text)
}

// block reads the collection whose first line this is.
func (s *scanner) block(depth int) *node {
	s.require(!s.done && depth <= maxDepth)
	if s.dash() {
		return s.sequence(s.indent, depth)
	}
	return s.mapping(s.indent, depth)
}

func (s *scanner) dash() bool {
	return s.text[s.content] == '-' && (s.content+1 == s.end || s.text[s.content+1] == ' ')
}

func (s *scanner) mapping(indent, depth int) *node {
	name, after, ok := s.blockKey(s.content)
	s.require(ok)
	return s.entries(name, after, indent, depth)
}

// entries reads a mapping whose first key has been read.
func (s *scanner) entries(name string, after, indent, depth int) *node {
	c := chain{of: s.node(object, "")}
	for {
		s.add(&c, name, s.value(after, indent, depth+1, true))
		if s.done || s.indent < indent {
			return c.of
		}
		s.require(s.indent == indent && !s.dash())
		var ok bool
		name, after, ok = s.blockKey(s.content)
		s.require(ok)
	}
}

// add adds an entry of a mapping. One that occurs twice is for the library.
func (s *scanner) add(c *chain, name string, value *node) {
	s.require(c.find(name) == nil)
	value.name = name
	c.add(value)
}

func (s *scanner) sequence(indent, depth int) *node {
	c := chain{of: s.node(list, "")}
	for {
		c.add(s.item(indent, depth+1))
		if s.done || s.indent < indent {
			return c.of
		}
		s.require(s.indent == indent)
		if !s.dash() {
			return c.of // the mapping around, whose keys are not indented less
		}
	}
}

// item reads what follows a dash.
func (s *scanner) item(indent, depth int) *node {
	i := s.spaces(s.content+1, s.end)
	if i == s.end || s.text[i] == '#' {
		return s.value(i, indent, depth, false)
	}
	dash := s.text[i] == '-' && (i+1 == s.end || s.text[i+1] == ' ')
	name, after, isKey := s.blockKey(i)
	if !dash && !isKey {
		return s.value(i, indent, depth, false)
	}
	// A collection that begins on the dash's own line.
	s.require(depth <= maxDepth)
	s.content, s.indent = i, i-(s.content-indent)
	if dash {
		return s.sequence(s.indent, depth)
	}
	return s.entries(name, after, s.indent, depth)
}

func (s *scanner) spaces(i, end int) int {
	for i < end && s.text[i] == ' ' {
		i++
	}
	return i
}

// key reads `name:` and returns where its value begins. Only names that no
// reader takes for anything but text are keys here.
func (s *scanner) key(i, end int) (name string, after int, ok bool) {
	if i == end {
		return "", 0, false
	}
	start := i
	if c := s.text[i]; c == '"' || c == '\'' {
		name, i, ok = s.quoted(i, end)
		if !ok {
			return "", 0, false
		}
	} else {
		for i < end && nameByte(s.text[i]) {
			i++
		}
		name = s.text[start:i]
		if !textual(name) {
			return "", 0, false
		}
	}
	if i == end || s.text[i] != ':' {
		return "", 0, false
	}
	return name, i + 1, true
}

// blockKey is a key outside of braces, where a space follows the colon.
func (s *scanner) blockKey(i int) (name string, after int, ok bool) {
	name, after, ok = s.key(i, s.end)
	return name, after, ok && (after == s.end || s.text[after] == ' ')
}

// nameByte tells letters, digits and a few more, by one bit for each character.
func nameByte(c byte) bool {
	const (
		low  = (1<<10-1)<<'0' | 1<<'-' | 1<<'.' | 1<<'/' | 1<<'$'
		high = (1<<26-1)<<('a'-64) | (1<<26-1)<<('A'-64) | 1<<('_'-64)
	)
	return c < 64 && uint64(low)>>c&1 != 0 || c >= 64 && c < 128 && uint64(high)>>(c-64)&1 != 0
}

// value reads what a key or a dash in a collection of that indent is followed
// by, and goes to the line after it.
func (s *scanner) value(i, indent, depth int, ofKey bool) *node {
	i = s.spaces(i, s.end)
	if i == s.end || s.text[i] == '#' && s.text[i-1] == ' ' {
		return s.nested(indent, depth, ofKey)
	}
	var n *node
	switch s.text[i] {
	case '"', '\'':
		value, after, ok := s.quoted(i, s.end)
		s.require(ok)
		s.restIsBlank(after)
		n = s.node(text, value)
		s.advance()
	case '{', '[':
		f := flow{scanner: s, at: i}
		n = f.value(depth)
		s.end = s.lineEnd(f.at)
		s.next = s.end + 1
		s.restIsBlank(f.at)
		s.advance()
	case '|':
		return s.literal(i, indent)
	default:
		n = s.plain(i)
		s.advance()
	}
	// A line that is indented more would go on with the scalar.
	s.require(s.done || s.indent <= indent)
	return n
}

// nested reads the collection on the lines below a key or a dash, or null.
func (s *scanner) nested(indent, depth int, ofKey bool) *node {
	s.advance()
	if !s.done && (s.indent > indent || ofKey && s.indent == indent && s.dash()) {
		n := s.block(depth)
		s.require(s.done || s.indent <= indent)
		return n
	}
	return s.node(null, "")
}

func (s *scanner) restIsBlank(i int) {
	j := s.spaces(i, s.end)
	s.require(j == s.end || s.text[j] == '#' && j > i)
}

// plain reads an unquoted scalar that ends with its line or at a comment.
func (s *scanner) plain(i int) *node {
	end := s.end
	for j := i; j < end; j++ {
		switch s.text[j] {
		case ':':
			s.require(j+1 < end && s.text[j+1] != ' ')
		case '#':
			if s.text[j-1] == ' ' {
				end = j
			}
		}
	}
	for s.text[end-1] == ' ' {
		end--
	}
	return s.resolve(s.text[i:end])
}

// literal reads the block under `|`.
func (s *scanner) literal(i, indent int) *node {
	chomp := byte(0)
	if i+1 < s.end && (s.text[i+1] == '-' || s.text[i+1] == '+') {
		i++
		chomp = s.text[i]
	}
	s.require(s.spaces(i+1, s.end) == s.end)
	var b strings.Builder
	width, breaks := -1, 0 // of the first line; line breaks not yet written
	for s.next < len(s.text) {
		start, end := s.next, s.lineEnd(s.next)
		s.require(end < len(s.text)) // without a last line break, readers differ
		first := s.spaces(start, end)
		if first == end {
			s.require(width >= 0 && first-start <= width || first == start)
			breaks++
			s.next = end + 1
			continue
		}
		if first-start <= indent {
			break
		}
		if width < 0 {
			width = first - start
		}
		s.require(first-start >= width)
		for ; breaks > 0; breaks-- {
			b.WriteByte('\n')
		}
		b.WriteString(s.text[start+width : end])
		breaks = 1
		s.next = end + 1
	}
	s.require(width >= 0)
	switch chomp {
	case 0:
		b.WriteByte('\n')
	case '+':
		for ; breaks > 0; breaks-- {
			b.WriteByte('\n')
		}
	}
	s.advance()
	s.require(s.done || s.indent <= indent)
	return s.node(text, b.String())
}
