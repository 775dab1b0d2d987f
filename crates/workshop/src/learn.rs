//! What `learn` does.
