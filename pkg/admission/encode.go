package admission

import (
	"encoding/base64"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// append writes the review as encoding/json would. A patch is some ten kilobytes:
// it is written once, as base64, and where the caller has memory for it.
func (r *reviewResponse) append(b []byte) []byte {
	b = appendText(append(b, `{"apiVersion":`...), r.APIVersion)
	b = appendText(append(b, `,"kind":`...), r.Kind)
	b = r.Response.append(append(b, `,"response":`...))
	return append(b, '}')
}

// size is about how long the text becomes, and enough for it unless much has to
// be escaped.
func (r *reviewResponse) size() int {
	const names = 256
	n := names + len(r.APIVersion) + len(r.Kind) + len(r.Response.UID) + base64.StdEncoding.EncodedLen(len(r.Response.Patch))
	if s := r.Response.Status; s != nil {
		n += len(s.Status) + len(s.Message) + len(s.Reason)
	}
	for k, v := range r.Response.AuditAnnotations {
		n += len(k) + len(v) + len(`"":"",`)
	}
	for _, w := range r.Response.Warnings {
		n += len(w) + len(`"",`)
	}
	return n
}

func (r *response) append(b []byte) []byte {
	b = appendText(append(b, `{"uid":`...), r.UID)
	b = strconv.AppendBool(append(b, `,"allowed":`...), r.Allowed)
	if r.Status != nil {
		b = r.Status.append(append(b, `,"status":`...))
	}
	if len(r.Patch) > 0 {
		b = append(b, `,"patch":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, r.Patch), '"')
	}
	if r.PatchType != "" {
		b = appendText(append(b, `,"patchType":`...), r.PatchType)
	}
	if len(r.AuditAnnotations) > 0 {
		b = append(b, `,"auditAnnotations":`...)
		var few [4]string
		keys := few[:0]
		for k := range r.AuditAnnotations {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		open := byte('{')
		for _, k := range keys {
			b = append(appendText(append(b, open), k), ':')
			b = appendText(b, r.AuditAnnotations[k])
			open = ','
		}
		b = append(b, '}')
	}
	if len(r.Warnings) > 0 {
		b = append(b, `,"warnings":`...)
		open := byte('[')
		for _, w := range r.Warnings {
			b = appendText(append(b, open), w)
			open = ','
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func (s *status) append(b []byte) []byte {
	b = appendText(append(b, `{"status":`...), s.Status)
	b = appendText(append(b, `,"message":`...), s.Message)
	b = appendText(append(b, `,"reason":`...), s.Reason)
	b = strconv.AppendInt(append(b, `,"code":`...), int64(s.Code), 10)
	return append(b, '}')
}

// appendText writes text as JSON. What is not UTF-8 in it becomes U+FFFD, as with
// encoding/json; that is all that the error would say.
func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}
