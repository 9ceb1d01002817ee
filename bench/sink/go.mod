module distributary.example/bench/sink

go 1.21
