module github.com/singleton-go/singleton

go 1.26
