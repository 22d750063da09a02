//! The codes of the Gorilla paper.
