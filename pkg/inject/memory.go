package inject

import "bytes"

// What Inject allocates for a pod, garbage included, lies below what MemoryFor says;
// TestMemoryFor measures it for the worst pods of each kind. It is the number of values
// that counts more than the text: an empty object of two bytes may become a struct of
// four hundred, in a list that was copied while it grew.
const (
	// memoryBase is for the smallest pod: the templates' text, what it parses to, and
	// the patch.
	memoryBase = 1 << 20
	// memoryPerByte is for text up to maxObject, of which the pod, what templates render, the patch and
	// a message may each hold a copy with escapes.
	memoryPerByte = 40
	// memoryPerComma is for each item of a list and each member of an object.
	memoryPerComma = 576
	// memoryPerObject is for each object besides.
	memoryPerObject = 2 << 10
	// memoryPerConfigByte is for each byte of a proxy configuration, on its way through
	// YAML, JSON and protobuf, up to memoryForProxyConfig for one of as many values as it
	// may have.
	memoryPerConfigByte  = 640
	memoryForProxyConfig = 24 << 20
	// memoryForValues is for as many values as a pod may have; one that has more is
	// refused for less.
	memoryForValues = 72 << 20
)

// MemoryFor returns how much memory, in bytes, it takes at most to inject a pod with
// this JSON. It takes some microseconds to find out.
func MemoryFor(object []byte) int64 {
	values := memoryPerComma*bytes.Count(object, []byte(",")) + memoryPerObject*bytes.Count(object, []byte("{"))
	values += min(memoryPerConfigByte*proxyConfigText(object), memoryForProxyConfig)
	return int64(memoryBase + memoryPerByte*min(len(object), maxObject) + min(values, memoryForValues))
}

// proxyConfigText returns how many bytes of the JSON a proxy configuration may have:
// all that come after its key. A key may be written with escapes, so all that comes
// after the first of them may be one, too.
func proxyConfigText(object []byte) int {
	most := 0
	for _, begin := range []string{proxyConfigKey, `\u`} {
		if at := bytes.Index(object, []byte(begin)); at >= 0 {
			most = max(most, len(object)-at)
		}
	}
	return most
}
