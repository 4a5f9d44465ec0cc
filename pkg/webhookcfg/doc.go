// Package webhookcfg keeps the caBundle of webhook entries right, whoever empties,
// replaces or deletes it, for as long as [Reconciler.Run] runs. [Reconciler.Want]
// says which CAs are wanted, [Reconciler.Live] which are there.
//
// The entries are those of MutatingWebhookConfigurations, by which pods are
// injected, and [GuardWebhook] of ValidatingWebhookConfigurations, by which the
// injector is asked about its own configuration. Certificates wait for the first
// alone: a change of configuration that nobody looks at is no reason to keep a CA
// change, or a server that could inject, waiting.
//
// A caBundle is right when it holds every wanted CA, each once, and neither an
// expired certificate, nor rubbish, nor an earlier CA of ours that nobody wants
// any more ([Mended]). CAs of others are kept until they expire, because somebody
// else may serve the same entry during a migration. The order does not matter, so
// two replicas cannot differ about it.
//
// Every replica does this by itself, with a control loop for each webhook
// configuration. The first replica's patch makes the object right, and the others,
// a few milliseconds later, find nothing to do.
//
// A patch is a JSON patch that names the entry by its index, guarded by tests of
// the entry's name and of the object's resourceVersion: it changes this one field
// of what was read, or nothing. Other entries and fields are never written, so
// server-side apply and GitOps tools see no change of theirs.
package webhookcfg
