// Package merge lays a partial pod over a pod, by the rules of the Kubernetes
// strategic merge patch.
//
// [ParseOverlay] reads a partial pod, as a template renders it, and [Overlay.Apply]
// merges it onto a pod; [Container] merges what a user has declared over what a
// template has made.
//
// The result is what k8s.io/apimachinery/pkg/util/strategicpatch gives on the JSON
// of the same pod, the order of list items included, but the merge works on the
// typed pod: the overlay is tied to the pod's fields once, when it is parsed. Fields
// that the Go types do not have merge like any other field without a strategy:
// objects entry by entry, everything else is replaced.
//
// It departs from the library in these points, each on the side of a person who
// writes templates:
//
//   - a value of the wrong type is an error that names the field, even beneath a
//     directive that would have dropped it;
//   - a merge key of null is an error, not an item without a name;
//   - an item of the pod whose key is empty and left out of its JSON
//     (imagePullSecrets: [{}]) is an item with an empty key, not an error;
//   - where there is nothing to merge with, a null and an object with $patch set
//     nothing, at any depth; the library keeps them within new items of lists, and
//     the pod gets zero values and entries named $patch;
//   - two items of one full identity (for ports the number and the protocol) in one
//     list of a template are an error, but for variables; the library adds or
//     merges the second, depending on the pod;
//   - $deleteFromPrimitiveList for a list of objects is an error; the library reads
//     it as one more list to merge;
//   - where an overlay gives an order to a list and both deletes from and adds to
//     it, new items may stand elsewhere: the library overwrites the order that it
//     compares with;
//   - where one object both adds to a list of plain values and deletes from it, the
//     deletions come first; the library's answer depends on chance.
package merge
