package main

import (
	"fmt"
	"log"
	"net"
	"strings"
	"time"
)

// generate presses the sink as hard as it can and prints how many requests were answered. How much CPU that
// cost the sink is for the harness to look up.
func generate(port, connections int, seconds float64) {
	done := make(chan int)
	until := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	for worker := 0; worker < connections; worker++ {
		go func(worker int) { done <- press(port, worker, until) }(worker)
	}
	total := 0
	for worker := 0; worker < connections; worker++ {
		total += <-done
	}
	fmt.Println(total)
}

func press(port, worker int, until time.Time) int {
	socket, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()
	answer := make([]byte, 1024)
	filling := strings.Repeat("x", 560)
	count := 0
	for time.Now().Before(until) {
		body := fmt.Sprintf(`{"type":"track","messageId":"load-%d-%d","properties":{"x":%q}}`, worker, count, filling)
		request := fmt.Sprintf("POST /load HTTP/1.1\r\nHost: sink\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		if _, err := socket.Write([]byte(request)); err != nil {
			log.Fatal(err)
		}
		if _, err := socket.Read(answer); err != nil {
			log.Fatal(err)
		}
		count++
	}
	return count
}
