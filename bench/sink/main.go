// The sink of the benchmark: the destination that every system delivers to.
//
// One thread, one epoll loop, next to no allocation: it must cost so little that nobody waits for it.
// What it can take is measured by `load.go` and printed with the results.
//
//	POST /<destination>                200, or what the destination's mode says
//	GET  /total                        sums over all destinations
//	GET  /counts                       the same per destination
//	GET  /latencies                    quantiles per destination since the last reset, microseconds
//	POST /-/<destination>/<mode>       from now on: ok, flaky or mute
//	POST /-/reset                      forget everything
package main

import (
	"flag"
	"log"
	"os"
	"syscall"
)

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	load := flag.Bool("load", false, "be the load generator instead")
	connections := flag.Int("connections", 100, "load: connections")
	seconds := flag.Float64("seconds", 3, "load: for how long")
	flag.Parse()
	log.SetFlags(0)
	if *load {
		generate(*port, *connections, *seconds)
		return
	}
	loop, err := listen(*port)
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.WriteString("ready\n")
	log.Fatal(loop.run())
}

// A connection and what of its next request has been read.
type connection struct {
	fd     int
	buffer []byte
	filled int
}

type loop struct {
	epoll, listener int
	connections     []*connection // by file descriptor
	chunk           []byte
	books           books
}

func listen(port int) (*loop, error) {
	listener, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	syscall.SetsockoptInt(listener, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err := syscall.Bind(listener, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, err
	}
	if err := syscall.Listen(listener, 4096); err != nil {
		return nil, err
	}
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	made := &loop{epoll: epoll, listener: listener, books: newBooks()}
	return made, made.watch(listener)
}

func (l *loop) watch(fd int) error {
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
	return syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &event)
}

func (l *loop) run() error {
	events := make([]syscall.EpollEvent, 512)
	for {
		count, err := syscall.EpollWait(l.epoll, events, -1)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		for _, event := range events[:count] {
			if int(event.Fd) == l.listener {
				l.accept()
			} else if c := l.connections[event.Fd]; c != nil && !l.serve(c) {
				l.connections[event.Fd] = nil
				syscall.Close(c.fd)
			}
		}
	}
}

func (l *loop) accept() {
	for {
		fd, _, err := syscall.Accept4(l.listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		for len(l.connections) <= fd {
			l.connections = append(l.connections, make([]*connection, fd+1)...)
		}
		l.connections[fd] = &connection{fd: fd, buffer: make([]byte, 4096)}
		if l.watch(fd) != nil {
			syscall.Close(fd)
		}
	}
}

// serve reads once and answers every whole request that is there; false when the connection is over.
func (l *loop) serve(c *connection) bool {
	if c.filled == len(c.buffer) {
		c.buffer = append(c.buffer, make([]byte, len(c.buffer))...)
	}
	count, err := syscall.Read(c.fd, c.buffer[c.filled:])
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return true
	}
	if err != nil || count == 0 {
		return false
	}
	c.filled += count
	for c.filled > 0 {
		used, answer := l.books.take(c.buffer[:c.filled])
		if used == 0 {
			return true // the rest is still to come
		}
		if answer != nil && !write(c.fd, answer) {
			return false
		}
		c.filled = copy(c.buffer, c.buffer[used:c.filled])
	}
	return true
}

// write may find the socket's buffer full only for a long listing; that reader is our own harness, who waits.
func write(fd int, answer []byte) bool {
	for len(answer) > 0 {
		count, err := syscall.Write(fd, answer)
		if err == syscall.EAGAIN || err == syscall.EINTR {
			continue
		}
		if err != nil {
			return false
		}
		answer = answer[count:]
	}
	return true
}
