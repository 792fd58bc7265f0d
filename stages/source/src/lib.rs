//! Rows of image-text pairs from tables and tars, local or in an object store.
