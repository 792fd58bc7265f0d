//! Visual codes and text ids to sequences, in either order.
