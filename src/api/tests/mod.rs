//! The router as a whole, over the memory backplane.

mod access;
mod batch;
mod fixture;
mod paths;
mod publish;
