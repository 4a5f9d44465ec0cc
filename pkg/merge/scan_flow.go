package merge

// flow reads a collection in braces or brackets, over as many lines as it takes.
type flow struct {
	*scanner
	at int // where it is in the text
}

func (f *flow) value(depth int) *node {
	f.require(depth <= maxDepth && f.at < len(f.text))
	switch f.text[f.at] {
	case '{':
		return f.object(depth)
	case '[':
		return f.array(depth)
	case '"', '\'':
		value, after, ok := f.quoted(f.at, f.lineEnd(f.at))
		f.require(ok)
		f.at = after
		return f.node(text, value)
	}
	return f.plain()
}

func (f *flow) object(depth int) *node {
	c := chain{of: f.node(object, "")}
	for f.at++; ; f.at++ {
		f.blanks()
		if f.peek() == '}' {
			f.at++
			return c.of
		}
		quotes := f.peek() == '"'
		name, after, ok := f.key(f.at, f.lineEnd(f.at))
		f.require(ok)
		f.at = after
		// As in JSON, the value may follow at once where the key is in quotes.
		f.require(quotes || f.peek() == ' ' || f.peek() == '\n')
		f.blanks()
		f.add(&c, name, f.value(depth+1))
		if f.ends('}') {
			return c.of
		}
	}
}

func (f *flow) array(depth int) *node {
	c := chain{of: f.node(list, "")}
	for f.at++; ; f.at++ {
		f.blanks()
		if f.peek() == ']' {
			f.at++
			return c.of
		}
		c.add(f.value(depth + 1))
		if f.ends(']') {
			return c.of
		}
	}
}

// ends looks at what follows an entry: a comma, or the end of the collection.
func (f *flow) ends(bracket byte) bool {
	f.blanks()
	switch f.peek() {
	case ',':
		return false
	case bracket:
		f.at++
		return true
	}
	f.fail()
	return false
}

func (f *flow) peek() byte {
	f.require(f.at < len(f.text))
	return f.text[f.at]
}

func (f *flow) blanks() {
	for f.at < len(f.text) {
		switch c := f.text[f.at]; {
		case c == '#':
			before := f.text[f.at-1]
			f.require(before == ' ' || before == '\n')
			f.at = f.lineEnd(f.at)
		case c != ' ' && c != '\n':
			return
		default:
			f.at++
		}
	}
}

// plain reads an unquoted scalar. Colons, and more, mean one thing here and
// another there, so only the simplest scalars are read.
func (f *flow) plain() *node {
	start := f.at
	for f.at < len(f.text) && nameByte(f.text[f.at]) {
		f.at++
	}
	f.require(f.at > start)
	return f.resolve(f.text[start:f.at])
}
