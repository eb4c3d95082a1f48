//! headcount.
