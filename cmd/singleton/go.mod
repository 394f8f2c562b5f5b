module github.com/singleton-go/singleton/cmd/singleton

go 1.26.0

require github.com/spf13/cobra v1.10.2

require (
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
)

replace (
	github.com/singleton-go/singleton => ../..
	github.com/singleton-go/singleton/engine/etcdengine => ../../engine/etcdengine
	github.com/singleton-go/singleton/engine/etcdengine/etcdtest => ../../engine/etcdengine/etcdtest
)
