//! The control socket: JSON lines between the process that holds a home and the others of the same user.
//!
//! A line from the client is `{"v":1,"id":7,"request":{..}}`, the answer `{"v":1,"id":7,"result":{"Ok":..}}`. One connection
//! carries one request at a time and answers are only sent when asked for, so that a slow reader delays nobody but itself.

mod client;
mod server;
mod wire;

pub use client::{Client, ConnectError};
pub use server::Server;
