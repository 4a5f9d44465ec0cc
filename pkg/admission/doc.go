// Package admission is the HTTP handler of the webhook: an AdmissionReview comes
// in, an AdmissionReview goes out. The handler from [NewHandler] checks the call,
// waits for its share of the processors, gives the pod to the [Engine], answers,
// and then reports an [Event] to be counted and logged.
//
// # What is checked, and when
//
// Method, content type and declared length are checked before the body is read.
// The body is read under [MaxBodyBytes]. Only then does a request wait for its
// turn, see [Config.Parallel], so that a caller who sends slowly holds up nobody.
//
// # What is answered
//
// Whatever is no AdmissionReview gets an HTTP error. A review always gets a
// review: an object that is not a pod being created is allowed unchanged, a pod
// gets the engine's patch or is allowed without one, and a pod that cannot be
// injected is denied with the engine's message. A panic denies the one pod.
package admission
