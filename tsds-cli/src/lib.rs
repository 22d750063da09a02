//! The `tsds` command, as a library: a plugin author gets the whole command around a registry of their own.
mod failure;
mod import;
mod names;
mod output;
mod sql;
