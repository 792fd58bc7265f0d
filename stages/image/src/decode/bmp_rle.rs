//! Run-length coded indices of a bitmap.

/// Expands to `width * height` indices, in the vector given, in the file's order of rows. Like Pillow it takes what it can: data that ends
/// early leaves index 0, a run does not pass the end of its row, and a jump fills what it passes with index 0.
pub(crate) fn expand(data: &[u8], width: usize, height: usize, nibbles: bool, room: Vec<u8>) -> Vec<u8> {
    let total = width * height;
    let mut indices = room;
    let mut x = 0;
    let mut place = 0;
    while indices.len() < total {
        let Some(&[count, value]) = data.get(place..).and_then(<[u8]>::first_chunk) else {
            break;
        };
        place += 2;
        match (count, value) {
            (0, 0) => {
                indices.resize(indices.len().next_multiple_of(width), 0);
                x = 0;
            }
            (0, 1) => break,
            (0, 2) => {
                let Some(&[right, up]) = data.get(place..).and_then(<[u8]>::first_chunk) else {
                    break;
                };
                place += 2;
                let jump = usize::from(right) + usize::from(up) * width;
                indices.resize(total.min(indices.len() + jump), 0);
                x = indices.len() % width;
            }
            (0, count) => {
                let wanted = usize::from(count).min(total - indices.len());
                let length = if nibbles { wanted.div_ceil(2) } else { wanted };
                let bits = if nibbles { 4 } else { 8 };
                let Some(literal) = data.get(place..place + length) else {
                    break;
                };
                indices.extend(super::color::unpack(literal, bits, wanted));
                // Literals are padded to an even place in the file; the pixels of every real file begin at one.
                place += length.next_multiple_of(2);
                x += usize::from(count);
            }
            (count, value) => {
                let run = usize::from(count).min(width.saturating_sub(x));
                let pair = if nibbles {
                    [value >> 4, value & 15]
                } else {
                    [value; 2]
                };
                indices.extend(pair.iter().cycle().take(run));
                x += run;
            }
        }
    }
    indices.resize(total, 0);
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_literals_jumps_and_ends_are_followed() {
        // Two of 7, end of line, jump one right, literal 1 2 3 (padded), end of bitmap.
        let data = [2, 7, 0, 0, 0, 2, 1, 0, 0, 3, 1, 2, 3, 0, 0, 1];
        assert_eq!(
            expand(&data, 4, 3, false, Vec::new()),
            [7, 7, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0]
        );
    }

    #[test]
    fn nibble_runs_alternate() {
        assert_eq!(
            expand(&[5, 0x12, 0, 1], 6, 1, true, Vec::new()),
            [1, 2, 1, 2, 1, 0]
        );
    }

    #[test]
    fn a_run_stops_at_the_end_of_its_row() {
        assert_eq!(
            expand(&[200, 9, 0, 0, 1, 4], 3, 2, false, Vec::new()),
            [9, 9, 9, 4, 0, 0]
        );
    }
}
