//! Every kernel against its twin, on shapes and masks that no golden model has: the kernels' sources, emulated with
//! threads in either order, and the compiled ones where there is a GPU
//! (`cargo test -p img2tokens-vision-cuda -- --ignored`).

use half::{bf16, f16};
use img2tokens_vision::Dtype;

use crate::device::{Attention, Choice, Codes, Columns, Cut, Device, Norm, Places, Shape, Sight};
use crate::emulated::Emulated;
use crate::gpu::Card;
use crate::machine::{Linear, Machine};
use crate::number::Element;
use crate::twin::Twin;

/// Numbers from -2 to 2, the same at every call.
fn numbers<E: Element>(count: usize, seed: u32) -> Vec<E> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        E::of((state >> 8) as f32 / (1 << 22) as f32 - 2.0)
    };
    (0..count).map(|_| next()).collect()
}

fn wide<E: Element>(values: Vec<E>) -> Vec<f32> {
    values.into_iter().map(E::wide).collect()
}

/// Every number within some steps of the element's type of the twin's: where float32 differs by a little, rounding may
/// go the other way.
fn expect_close<E: Element>(found: &[f32], twin: &[f32]) {
    let step = match E::DTYPE {
        Dtype::F32 => 1e-6,
        Dtype::Bf16 => 1.0 / 128.0,
        Dtype::F16 => 1.0 / 1024.0,
    };
    assert_eq!(found.len(), twin.len());
    for (place, (found, twin)) in found.iter().zip(twin).enumerate() {
        let most = step * twin.abs().max(1.0) * 4.0;
        assert!((found - twin).abs() <= most, "{place}: {found}, the twin {twin}");
    }
}

fn cut_patches<D: Device, E: Element>(device: &D) -> Vec<f32> {
    let (side, patch, pictures, padded) = (21, 7, 2, 152);
    let pixels: Vec<u8> = (0..pictures * side * side * 3)
        .map(|at| (at * 31 % 251) as u8)
        .collect();
    let cut = Cut {
        pictures,
        side,
        patch,
        padded,
    };
    let levels = device.upload(&numbers(3 * 256, 1)).unwrap();
    let mut out = device.room::<E>(pictures * 9 * padded).unwrap();
    device
        .cut_patches(&device.upload(&pixels).unwrap(), &levels, cut, &mut out)
        .unwrap();
    wide(device.read(&out, pictures * 9 * padded).unwrap())
}

fn embed<D: Device, E: Element>(device: &D) -> Vec<f32> {
    let (tokens, width, pictures) = (5, 24, 3);
    let places = Places {
        class_token: device.upload(&numbers(width, 1)).unwrap(),
        positions: device.upload(&numbers(tokens * width, 2)).unwrap(),
        tokens,
        width,
    };
    let patches = device
        .upload(&numbers::<E>(pictures * (tokens - 1) * width, 3))
        .unwrap();
    let mut x = device.room(pictures * tokens * width).unwrap();
    device.embed(&patches, &places, pictures, &mut x).unwrap();
    device.read(&x, pictures * tokens * width).unwrap()
}

/// What is normed, and then the sums behind it. A width that leaves lanes without values, and the widest.
fn add_norm<D: Device, E: Element>(device: &D) -> Vec<f32> {
    let mut all = Vec::new();
    for (rows, width) in [(11, 176), (3, 2048)] {
        let norm = Norm {
            weight: device.upload(&numbers(width, 1)).unwrap(),
            bias: device.upload(&numbers(width, 2)).unwrap(),
            width,
            eps: 1e-5,
        };
        let mut x = device.upload(&numbers(rows * width, 3)).unwrap();
        let y = device.upload(&numbers::<E>(rows * width, 4)).unwrap();
        let mut out = device.room::<E>(rows * width).unwrap();
        device.add_norm(&mut x, Some(&y), &norm, rows, &mut out).unwrap();
        all.extend(wide(device.read(&out, rows * width).unwrap()));
        device.add_norm::<E>(&mut x, None, &norm, rows, &mut out).unwrap();
        all.extend(wide(device.read(&out, rows * width).unwrap()));
        all.extend(device.read(&x, rows * width).unwrap());
    }
    all
}

/// A count that is no multiple of four.
fn activations<D: Device, E: Element>(device: &D) -> Vec<f32> {
    let count = 1027;
    let mut x = device.upload(&numbers::<E>(count, 1)).unwrap();
    device.gelu(&mut x, count).unwrap();
    let mut all = device.read(&x, count).unwrap();
    device.tanh(&mut x, count).unwrap();
    all.extend(device.read(&x, count).unwrap());
    wide(all)
}

fn take_rows<D: Device, E: Element>(device: &D) -> Vec<f32> {
    let shape = Shape { rows: 4, width: 40 };
    let x = device.upload(&numbers(9 * 40, 1)).unwrap();
    let y = device.upload(&numbers::<E>(9 * 40, 2)).unwrap();
    let places = device.upload(&[8, 0, 3, 3]).unwrap();
    let mut out = device.room(4 * 40).unwrap();
    device.take_rows(&x, Some(&y), &places, shape, &mut out).unwrap();
    let mut all = device.read(&out, 4 * 40).unwrap();
    device.take_rows::<E>(&x, None, &places, shape, &mut out).unwrap();
    all.extend(device.read(&out, 4 * 40).unwrap());
    all
}

fn selector<D: Device, E: Element>(device: &D) -> Vec<f32> {
    let (pictures, patches, width) = (2, 9, 44);
    let mut h = device.upload(&numbers(pictures * patches * width, 1)).unwrap();
    device.share_mean(&mut h, pictures, patches, width).unwrap();
    let mut all = device.read(&h, pictures * patches * width).unwrap();
    let choice = Choice {
        weight: device.upload(&numbers(2 * width, 2)).unwrap(),
        bias: device.upload(&numbers(2, 3)).unwrap(),
        width,
    };
    let rows = pictures * patches;
    let mut out = device.room(rows * 2).unwrap();
    device.log_probabilities(&h, &choice, rows, &mut out).unwrap();
    all.extend(device.read(&out, rows * 2).unwrap());
    all
}

/// More rows than a block has, more codes than one round, twice the same code, and rows that are not finite.
fn nearest<D: Device, E: Element>(device: &D) -> Vec<f32> {
    let (rows, width, stride, count) = (70, 12, 16, 150);
    let mut z = numbers::<E>(rows * stride, 1);
    z[3 * stride] = E::of(f32::INFINITY);
    z[66 * stride + 11] = E::of(f32::NAN);
    // All zero has a length, too.
    z[5 * stride..6 * stride].fill(E::of(0.0));
    let mut codes: Vec<f32> = numbers(count * width, 2);
    codes.copy_within(7 * width..8 * width, 149 * width);
    let squared: Vec<f32> = codes
        .chunks_exact(width)
        .map(|row| row.iter().map(|value| value * value).sum())
        .collect();
    let codes = Codes {
        rows: device.upload(&codes).unwrap(),
        squared: device.upload(&squared).unwrap(),
        count,
        width,
    };
    let shape = Shape { rows, width };
    let mut unit = device.room(rows * width).unwrap();
    let mut squared = device.room(rows).unwrap();
    let mut out = device.room(rows).unwrap();
    let z = device.upload(&z).unwrap();
    device
        .normalise(&z, stride, shape, &mut unit, &mut squared)
        .unwrap();
    device.nearest(&unit, &squared, &codes, rows, &mut out).unwrap();
    let nearest = device.read(&out, rows).unwrap();
    assert_eq!((nearest[3], nearest[66]), (-1, -1));
    assert!(!nearest.contains(&149), "of equals the lowest wins");
    // Bit by bit: a code is the twin's or it is not.
    let bits = |code: i32| (0..9).map(move |bit| (code >> bit & 1) as f32);
    nearest.into_iter().flat_map(bits).collect()
}

/// Pictures of many, no, few and one query; keys that fill no tile; every mask; heads that fill no fragment.
fn attend<D: Device, E: Element>(device: &D) -> Vec<f32> {
    let (heads, head_dim) = (2, 88);
    let width = heads * head_dim;
    let queries = [0, 37, 37, 40, 41];
    let keys = [0, 37, 90, 93, 94];
    let (most_rows, pictures) = (94, 4);
    let wide_rows = device.upload(&numbers::<E>(most_rows * 3 * width, 1)).unwrap();
    let kept: Vec<u8> = (0..most_rows).map(|key| u8::from(key * 7 % 10 < 4)).collect();
    let kept = device.upload(&kept).unwrap();
    let all_kept = device.upload(&vec![1_u8; most_rows]).unwrap();
    let [queries, keys] = [queries, keys].map(|starts: [i32; 5]| device.upload(&starts).unwrap());
    let cases = [
        (Sight::Everything, None, &queries, &keys),
        (Sight::Earlier, None, &keys, &keys),
        (Sight::Earlier, Some(&kept), &keys, &keys),
        (Sight::Dropped, Some(&kept), &queries, &keys),
        // Nothing dropped: every key weighs the same.
        (Sight::Dropped, Some(&all_kept), &queries, &keys),
    ];
    let mut seen = Vec::new();
    for (sight, kept, query_starts, key_starts) in cases {
        let [q, k, v] = Columns::side_by_side(&wide_rows, width);
        let attention = Attention {
            q,
            k,
            v,
            query_starts,
            key_starts,
            kept,
            sight,
            pictures,
            most_queries: 53,
            most_keys: 53,
            heads,
            head_dim,
        };
        let mut out = device.room::<E>(most_rows * width).unwrap();
        device.attend(&attention, &mut out).unwrap();
        seen.extend(wide(device.read(&out, most_rows * width).unwrap()));
    }
    seen
}

/// A head of the published model, whole: 257 tokens, 88 wide, more shared memory than a block has unasked; and a narrow
/// one.
fn attend_whole_heads<D: Device, E: Element>(device: &D) -> Vec<f32> {
    let tokens = 257;
    let starts = device.upload(&[0, tokens as i32]).unwrap();
    let mut seen = Vec::new();
    for head_dim in [16, 88] {
        let rows = device.upload(&numbers::<E>(tokens * 3 * head_dim, 1)).unwrap();
        let [q, k, v] = Columns::side_by_side(&rows, head_dim);
        let attention = Attention {
            q,
            k,
            v,
            query_starts: &starts,
            key_starts: &starts,
            kept: None,
            sight: Sight::Everything,
            pictures: 1,
            most_queries: tokens,
            most_keys: tokens,
            heads: 1,
            head_dim,
        };
        let mut out = device.room::<E>(tokens * head_dim).unwrap();
        device.attend(&attention, &mut out).unwrap();
        seen.extend(wide(device.read(&out, tokens * head_dim).unwrap()));
    }
    seen
}

/// For each kernel a test of its emulated sources; and one of all the compiled ones.
macro_rules! compared_with_their_twins {
    ($($kernel:ident),+ $(,)?) => {
        $(mod $kernel {
            use super::*;

            fn emulated<E: Element>() {
                let twin = super::$kernel::<_, E>(&Twin);
                let forward = super::$kernel::<_, E>(&Emulated { reversed: false });
                let backward = super::$kernel::<_, E>(&Emulated { reversed: true });
                assert_eq!(forward, backward, "it depends on which thread comes first");
                expect_close::<E>(&forward, &twin);
            }

            #[test]
            fn is_its_twin_emulated() {
                emulated::<f32>();
                emulated::<bf16>();
                emulated::<f16>();
            }
        })+

        #[test]
        #[ignore = "needs a GPU"]
        fn compiled_kernels_are_their_twins() {
            let gpu = Card::open(0).unwrap().stream().unwrap();
            gpu.enter().unwrap();
            $(
                expect_close::<f32>(&$kernel::<_, f32>(&gpu), &$kernel::<_, f32>(&Twin));
                expect_close::<bf16>(&$kernel::<_, bf16>(&gpu), &$kernel::<_, bf16>(&Twin));
                expect_close::<f16>(&$kernel::<_, f16>(&gpu), &$kernel::<_, f16>(&Twin));
            )+
        }
    };
}

compared_with_their_twins!(
    cut_patches,
    embed,
    add_norm,
    activations,
    take_rows,
    selector,
    nearest,
    attend,
    attend_whole_heads
);

/// Sums of a row depend on nothing but the row and the layer: the same row at any place, among few or many others, gives
/// the same bits.
fn expect_rows_alone<E: Element>(inputs: usize, outputs: usize) {
    let gpu = Card::open(0).unwrap().stream().unwrap();
    gpu.enter().unwrap();
    let (weight, bias) = (numbers::<f32>(inputs * outputs, 1), numbers::<f32>(outputs, 2));
    let layer = Linear::<_, E>::new(&gpu, &weight, &bias).unwrap();
    let row = numbers::<E>(inputs, 3);
    let most = 21_888;
    let x = gpu.upload(&row.repeat(most)).unwrap();
    let mut out = gpu.room::<E>(most * outputs).unwrap();
    let mut first = None;
    for rows in [most, 128, 1_000, 8_224] {
        gpu.product(&layer, &x, rows, &mut out).unwrap();
        let made = wide(gpu.read(&out, rows * outputs).unwrap());
        let expected: &Vec<f32> = first.get_or_insert_with(|| made[..outputs].to_vec());
        for (place, row) in made.chunks_exact(outputs).enumerate() {
            assert!(row == &expected[..], "row {place} of {rows}");
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn a_row_of_a_product_depends_on_no_other() {
    for (inputs, outputs) in [(592, 1408), (1408, 4224), (1408, 6144), (6144, 1408), (1408, 32)] {
        expect_rows_alone::<bf16>(inputs, outputs);
        expect_rows_alone::<f16>(inputs, outputs);
    }
    expect_rows_alone::<f32>(1408, 1408);
}
