// Go's net package as its own example has it: a goroutine for each connection, io.Copy from it to itself.
package main

import (
	"io"
	"log"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Print(err)
			continue
		}
		go func() {
			defer client.Close()
			io.Copy(client, client)
		}()
	}
}
