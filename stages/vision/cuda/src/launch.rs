//! The kernels, launched by name: grids, arguments and shared memory.

use std::ffi::c_void;

use img2tokens_vision::Dtype;

use crate::device::{Attention, Choice, Codes, Cut, Device, Norm, Places, Shape, Sight};
use crate::error::Fault;
use crate::machine::Machine;
use crate::number::{Element, Number};

/// A machine that runs compiled kernels.
pub(crate) trait Launcher: Machine {
    /// Where an array lies.
    fn address<T: Number>(&self, array: &Self::Array<T>) -> u64;

    /// Where an array lies that is written to.
    fn address_mut<T: Number>(&self, array: &mut Self::Array<T>) -> u64;

    /// Runs a kernel of a module over a grid; the arguments are the kernel's, in order and type.
    fn launch(&self, kernel: &Kernel, grid: Grid, arguments: &mut [Argument]) -> Result<(), Fault>;
}

/// A kernel's name, and that of the file it was compiled from.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub module: String,
    pub name: String,
}

impl Kernel {
    fn new(module: &str, name: &str) -> Self {
        Self {
            module: module.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The one for elements of this type.
    fn of<E: Element>(module: &str, name: &str) -> Self {
        Self::new(module, &format!("{name}_{}", E::DTYPE.name()))
    }
}

/// Blocks, and threads of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    pub blocks: [u32; 3],
    pub threads: u32,
    /// Dynamic shared memory of a block, in bytes.
    pub shared: u32,
}

impl Grid {
    /// Threads that go through so many numbers, several each where they are many.
    fn over(count: usize) -> Self {
        const MOST_BLOCKS: usize = 1 << 16;
        Self::blocks(count.div_ceil(256).min(MOST_BLOCKS), 256)
    }

    /// A warp for each row, eight to a block.
    fn warps(rows: usize) -> Self {
        Self::blocks(rows.div_ceil(8), 256)
    }

    fn blocks(blocks: usize, threads: u32) -> Self {
        Self {
            blocks: [blocks.max(1) as u32, 1, 1],
            threads,
            shared: 0,
        }
    }
}

/// One argument of a kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Argument {
    Address(u64),
    Int(i32),
    Long(i64),
    Float(f32),
    Attention(AttentionArgument),
}

/// `struct Attention` of kernels/attention.cuh.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct AttentionArgument {
    query_starts: u64,
    key_starts: u64,
    kept: u64,
    sight: i32,
    smoothing: f32,
    scale: f32,
    head_dim: i32,
    q_stride: i32,
    kv_stride: i32,
    out_stride: i32,
}

impl Argument {
    /// Where the argument's value lies, as a launch wants it.
    pub(crate) fn pointer(&mut self) -> *mut c_void {
        match self {
            Self::Address(value) => std::ptr::from_mut(value).cast(),
            Self::Int(value) => std::ptr::from_mut(value).cast(),
            Self::Long(value) => std::ptr::from_mut(value).cast(),
            Self::Float(value) => std::ptr::from_mut(value).cast(),
            Self::Attention(value) => std::ptr::from_mut(value).cast(),
        }
    }
}

/// Counts are of what fits a device's memory and is split into pictures: none comes near the bounds of `i32`.
fn int(count: usize) -> Argument {
    Argument::Int(count as i32)
}

/// No address.
const NULL: Argument = Argument::Address(0);

/// Heads on tensor cores: the widths that modules are compiled for.
pub(crate) const HEADS: [usize; 5] = [16, 32, 64, 96, 128];
/// Threads of a block of attention on tensor cores.
const TENSOR_THREADS: u32 = 192;
/// Warps of a block of attention in float32, and queries of each.
const PLAIN_WARPS: usize = 4;
const PLAIN_QUERIES: usize = 8;
/// Rows of a block that seeks codes.
const NEAREST_ROWS: usize = 64;

impl<L: Launcher> Device for L {
    fn cut_patches<E: Element>(
        &self,
        pixels: &Self::Array<u8>,
        levels: &Self::Array<f32>,
        cut: Cut,
        out: &mut Self::Array<E>,
    ) -> Result<(), Fault> {
        let patches = cut.pictures * (cut.side / cut.patch).pow(2);
        let mut arguments = [
            Argument::Address(self.address(pixels)),
            Argument::Address(self.address(levels)),
            Argument::Address(self.address_mut(out)),
            int(cut.pictures),
            int(cut.side),
            int(cut.patch),
            int(cut.padded),
        ];
        let grid = Grid::over(patches * cut.padded);
        self.launch(&Kernel::of::<E>("pixels", "cut_patches"), grid, &mut arguments)
    }

    fn embed<E: Element>(
        &self,
        patches: &Self::Array<E>,
        places: &Places<Self>,
        pictures: usize,
        x: &mut Self::Array<f32>,
    ) -> Result<(), Fault> {
        let mut arguments = [
            Argument::Address(self.address(patches)),
            Argument::Address(self.address(&places.class_token)),
            Argument::Address(self.address(&places.positions)),
            Argument::Address(self.address_mut(x)),
            int(pictures),
            int(places.tokens),
            int(places.width),
        ];
        let grid = Grid::over(pictures * places.tokens * places.width);
        self.launch(&Kernel::of::<E>("pixels", "embed"), grid, &mut arguments)
    }

    fn add_norm<E: Element>(
        &self,
        x: &mut Self::Array<f32>,
        y: Option<&Self::Array<E>>,
        norm: &Norm<Self>,
        rows: usize,
        out: &mut Self::Array<E>,
    ) -> Result<(), Fault> {
        let mut arguments = [
            Argument::Address(self.address_mut(x)),
            y.map_or(NULL, |y| Argument::Address(self.address(y))),
            Argument::Address(self.address(&norm.weight)),
            Argument::Address(self.address(&norm.bias)),
            Argument::Float(norm.eps),
            Argument::Address(self.address_mut(out)),
            int(rows),
            int(norm.width),
        ];
        self.launch(
            &Kernel::of::<E>("norm", "add_norm"),
            Grid::warps(rows),
            &mut arguments,
        )
    }

    fn gelu<E: Element>(&self, x: &mut Self::Array<E>, count: usize) -> Result<(), Fault> {
        change_each(self, "gelu", x, count)
    }

    fn tanh<E: Element>(&self, x: &mut Self::Array<E>, count: usize) -> Result<(), Fault> {
        change_each(self, "tanh", x, count)
    }

    fn take_rows<E: Element>(
        &self,
        x: &Self::Array<f32>,
        y: Option<&Self::Array<E>>,
        numbers: &Self::Array<i32>,
        Shape { rows, width }: Shape,
        out: &mut Self::Array<f32>,
    ) -> Result<(), Fault> {
        let mut arguments = [
            Argument::Address(self.address(x)),
            y.map_or(NULL, |y| Argument::Address(self.address(y))),
            Argument::Address(self.address(numbers)),
            Argument::Address(self.address_mut(out)),
            int(rows),
            int(width),
        ];
        let grid = Grid::over(rows * width);
        self.launch(&Kernel::of::<E>("elementwise", "take_rows"), grid, &mut arguments)
    }

    fn attend<E: Element>(
        &self,
        attention: &Attention<'_, Self, E>,
        out: &mut Self::Array<E>,
    ) -> Result<(), Fault> {
        let (kernel, grid) = attention_launch(attention);
        let address = |columns: &crate::device::Columns<'_, Self, E>| {
            let bytes = columns.first * size_of::<E>();
            Argument::Address(self.address(columns.array) + bytes as u64)
        };
        let mut arguments = [
            Argument::Attention(AttentionArgument {
                query_starts: self.address(attention.query_starts),
                key_starts: self.address(attention.key_starts),
                kept: attention.kept.map_or(0, |kept| self.address(kept)),
                sight: match attention.sight {
                    Sight::Everything => 0,
                    Sight::Earlier => 1,
                    Sight::Dropped => 2,
                },
                smoothing: attention.smoothing(),
                scale: attention.scale(),
                head_dim: attention.head_dim as i32,
                q_stride: attention.q.stride as i32,
                kv_stride: attention.k.stride as i32,
                out_stride: (attention.heads * attention.head_dim) as i32,
            }),
            address(&attention.q),
            address(&attention.k),
            address(&attention.v),
            Argument::Address(self.address_mut(out)),
            int(attention.most_keys),
        ];
        self.launch(&kernel, grid, &mut arguments)
    }

    fn share_mean(
        &self,
        h: &mut Self::Array<f32>,
        pictures: usize,
        patches: usize,
        width: usize,
    ) -> Result<(), Fault> {
        let mut arguments = [Argument::Address(self.address_mut(h)), int(patches), int(width)];
        let columns = width - width / 2;
        let grid = Grid {
            blocks: [columns.div_ceil(128) as u32, pictures as u32, 1],
            threads: 128,
            shared: 0,
        };
        self.launch(&Kernel::new("selector", "share_mean"), grid, &mut arguments)
    }

    fn log_probabilities(
        &self,
        h: &Self::Array<f32>,
        choice: &Choice<Self>,
        rows: usize,
        out: &mut Self::Array<f32>,
    ) -> Result<(), Fault> {
        let mut arguments = [
            Argument::Address(self.address(h)),
            Argument::Address(self.address(&choice.weight)),
            Argument::Address(self.address(&choice.bias)),
            Argument::Address(self.address_mut(out)),
            int(rows),
            int(choice.width),
        ];
        let kernel = Kernel::new("selector", "log_probabilities");
        self.launch(&kernel, Grid::warps(rows), &mut arguments)
    }

    fn normalise<E: Element>(
        &self,
        z: &Self::Array<E>,
        stride: usize,
        Shape { rows, width }: Shape,
        unit: &mut Self::Array<f32>,
        squared: &mut Self::Array<f32>,
    ) -> Result<(), Fault> {
        let mut arguments = [
            Argument::Address(self.address(z)),
            int(stride),
            Argument::Address(self.address_mut(unit)),
            Argument::Address(self.address_mut(squared)),
            int(rows),
            int(width),
        ];
        let grid = Grid::blocks(rows.div_ceil(128), 128);
        self.launch(&Kernel::of::<E>("nearest", "normalise"), grid, &mut arguments)
    }

    fn nearest(
        &self,
        unit: &Self::Array<f32>,
        squared: &Self::Array<f32>,
        codes: &Codes<Self>,
        rows: usize,
        out: &mut Self::Array<i32>,
    ) -> Result<(), Fault> {
        let mut arguments = [
            Argument::Address(self.address(unit)),
            Argument::Address(self.address(squared)),
            Argument::Address(self.address(&codes.rows)),
            Argument::Address(self.address(&codes.squared)),
            Argument::Address(self.address_mut(out)),
            int(rows),
            int(codes.width),
            int(codes.count),
        ];
        let grid = Grid::blocks(rows.div_ceil(NEAREST_ROWS), 256);
        self.launch(&Kernel::new("nearest", "nearest_code"), grid, &mut arguments)
    }
}

fn change_each<L: Launcher, E: Element>(
    machine: &L,
    name: &str,
    x: &mut L::Array<E>,
    count: usize,
) -> Result<(), Fault> {
    let mut arguments = [
        Argument::Address(machine.address_mut(x)),
        Argument::Long(count as i64),
    ];
    let grid = Grid::over(count.div_ceil(4));
    machine.launch(&Kernel::of::<E>("elementwise", name), grid, &mut arguments)
}

/// The kernel for these heads, and its grid: tensor cores take elements of 16 bits.
fn attention_launch<M: Machine, E: Element>(attention: &Attention<'_, M, E>) -> (Kernel, Grid) {
    let (heads, pictures) = (attention.heads as u32, attention.pictures as u32);
    if E::DTYPE == Dtype::F32 {
        let blocks = attention.most_queries.div_ceil(PLAIN_WARPS * PLAIN_QUERIES);
        let grid = Grid {
            blocks: [heads, pictures, blocks.max(1) as u32],
            threads: (PLAIN_WARPS * 32) as u32,
            shared: (PLAIN_WARPS * attention.most_keys * size_of::<f32>()) as u32,
        };
        return (Kernel::of::<E>("attention", "attend"), grid);
    }
    let head = padded_head(attention.head_dim);
    let name = match attention.sight {
        Sight::Everything => format!("attend_{head}"),
        Sight::Earlier | Sight::Dropped => format!("attend_smoothed_{head}"),
    };
    let grid = Grid {
        blocks: [heads, pictures, 1],
        threads: TENSOR_THREADS,
        shared: tensor_shared_bytes(attention.head_dim, attention.most_keys) as u32,
    };
    (Kernel::of::<E>(&format!("attention_{head}"), &name), grid)
}

/// The width of the module that takes heads of this width: the next one, the widest for any beyond.
fn padded_head(head_dim: usize) -> usize {
    let wide_enough = HEADS.into_iter().find(|head| *head >= head_dim);
    wide_enough.unwrap_or(HEADS[HEADS.len() - 1])
}

/// Shared memory that a block of attention on tensor cores takes: keys and values of a head, and the mask.
pub(crate) fn tensor_shared_bytes(head_dim: usize, keys: usize) -> usize {
    let rows = keys.next_multiple_of(16);
    2 * rows * (padded_head(head_dim) + 8) * 2 + rows
}
