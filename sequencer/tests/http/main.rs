//! The real server, over real connections.

mod support;

mod crowd;
mod echo;
mod errors;
mod fuzz;
mod models;
mod native;
mod stopping;
mod streams;
