//! Bitmaps of a few bytes. Layout: Microsoft's BITMAPINFOHEADER.

/// Run-length coded, one byte a pixel, and over at once: what no run covers is index 0. Any sides cost 1 KB.
pub fn empty_runs(width: i32, height: i32) -> Vec<u8> {
    const PIXELS_AT: u32 = 14 + 40 + 1024;
    const END_OF_BITMAP: [u8; 2] = [0, 1];
    let mut file = b"BM".to_vec();
    let mut put = |number: u32| file.extend(number.to_le_bytes());
    put(PIXELS_AT + 2);
    put(0);
    put(PIXELS_AT);
    put(40);
    put(width as u32);
    put(height as u32);
    put(1 | 8 << 16); // one plane, 8 bits
    put(1); // BI_RLE8
    (0..5).for_each(|_| put(0));
    file.extend([0x55; 1024]);
    file.extend(END_OF_BITMAP);
    file
}
