//go:build !goexperiment.jsonv2

package jsonbench

const experiment = false
