// Package jsonbench compares JSON libraries on what the injector reads and
// writes: what they cost, and where they read a pod differently from the API
// server. It is a module of its own, so that none of the candidates becomes a
// dependency of the product.
//
//	go test -run . -v .                        the differences, as a table
//	go test -bench . -benchtime 200ms .        the costs, as Go benchmarks
//	go run ./cmd/jsonbench                     both, by turns, as data
//
// Built with GOEXPERIMENT=jsonv2, encoding/json is the old interface on the new
// implementation, and another candidate.
package jsonbench
