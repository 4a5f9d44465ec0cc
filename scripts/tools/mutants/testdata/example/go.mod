module example.org/example

go 1.26.0
