//! Makes the machines move. Knows only ports: no sled, no process, no terminal.

pub mod ports;
