//! Bytes of any image file to S x S RGB pixels, as Pillow makes them.
