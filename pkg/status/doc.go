// Package status reads and writes what an injection records on the pod, and undoes
// what the record names.
//
// A [Status], in the annotation [Key], names the containers, volumes and image
// pull secrets that were added. [Overrides], in the annotation [OverridesKey],
// hold the containers that the user had declared under the name of an injected
// one, as the user wrote them. [WithoutContainers] and [WithoutLists] take the
// added parts off a pod again.
package status
