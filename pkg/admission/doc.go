// Package admission is the HTTP handler of the webhook: an AdmissionReview comes
// in, an AdmissionReview goes out. The handler from [NewHandler] checks the call,
// waits for its share of the processors, gives the pod to the [Engine], answers,
// and then reports an [Event] to be counted and logged.
//
// # What is checked, and when
//
// Method, content type and declared length are checked before the body is read.
// The body is read under maxBodyBytes, and must come at a least pace. Only when it
// is in does a request take one of the places, and wait until there is memory and a
// turn for the work, see [Limits] and [Config.Parallel]; so a caller who sends slowly
// holds up nobody. A call ends, wherever it is, when its caller stops waiting.
//
// # What is answered
//
// Whatever is no AdmissionReview gets an HTTP error. A review always gets a
// review: an object that is not a pod being created is allowed unchanged, a pod
// gets the engine's patch or is allowed without one, and a pod that cannot be
// injected is denied with the engine's message. A panic denies the one pod. A call
// that a limit turned away gets 429 and is told as a [Rejection].
package admission
