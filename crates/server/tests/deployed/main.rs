//! Servers as they are deployed: behind a proxy, in containers. Both need programs that a
//! test should not demand: `./just test-rolling`, `./just test-compose`.

mod buyers;
mod compose;
mod rolling;
