//! Smooth passages between two or three colours.

use super::colour::{Named, Rgb, blend, distinct};
use super::draws::Draws;
use super::noise::smooth;

#[derive(Debug, Clone, Copy)]
enum Kind {
    LeftToRight,
    TopToBottom,
    Corner,
    Radial,
    Spotlight,
}

/// A smooth passage between two or three colours.
#[derive(Debug, Clone)]
pub(super) struct Gradient {
    kind: Kind,
    from: Named,
    /// The colour half way, if it does not go straight.
    over: Option<Named>,
    to: Named,
}

impl Gradient {
    pub(super) fn new(draws: &mut Draws) -> Self {
        let [from, over, to] = distinct(draws);
        let kind = draws.pick(&[
            Kind::LeftToRight,
            Kind::TopToBottom,
            Kind::Corner,
            Kind::Radial,
            Kind::Spotlight,
        ]);
        Self {
            kind,
            from,
            over: (draws.below(2) == 0).then_some(over),
            to,
        }
    }

    pub(super) fn caption(&self) -> String {
        let over = self
            .over
            .map(|colour| format!(" over {}", colour.name))
            .unwrap_or_default();
        let colours = format!("from {}{over} to {}", self.from.name, self.to.name);
        match self.kind {
            Kind::LeftToRight => format!("an abstract background fading {colours}, left to right"),
            Kind::TopToBottom => format!("a smooth vertical gradient {colours}"),
            Kind::Corner => format!("a corner gradient wallpaper {colours}"),
            Kind::Radial => format!("a radial gradient {colours}"),
            Kind::Spotlight => format!("a soft spotlight fading {colours}"),
        }
    }

    pub(super) fn at(&self, x: f32, y: f32) -> Rgb {
        let share = match self.kind {
            Kind::LeftToRight => x + 0.5,
            Kind::TopToBottom => y + 0.5,
            Kind::Corner => (x + y) * 0.5 + 0.5,
            Kind::Radial => (x * x + y * y).sqrt() * 1.6,
            Kind::Spotlight => smooth((x * x + y * y).sqrt() * 2.0),
        };
        let share = share.clamp(0.0, 1.0);
        match self.over {
            None => blend(self.from.rgb, self.to.rgb, share),
            Some(over) if share < 0.5 => blend(self.from.rgb, over.rgb, share * 2.0),
            Some(over) => blend(over.rgb, self.to.rgb, share * 2.0 - 1.0),
        }
    }
}
