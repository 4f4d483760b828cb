//! What no frame may be.

use super::*;

const FRAMES: &[Row] = &[
    (
        "frame end wrong",
        |raw| {
            let mut frame = raw_frame(1, 1, &[0, 20, 0, 10, 0]);
            *frame.last_mut().unwrap() = 205;
            raw.send(&frame);
        },
        Connection(
            501,
            "FRAME_ERROR - type 1, all octets = <<0,20,0,10,0>>: {invalid_frame_end_marker,205}",
            (0, 0),
        ),
    ),
    (
        "frame type 4",
        |raw| raw.frame(4, 1, b"ab"),
        Connection(501, "FRAME_ERROR - type 4, all octets", (0, 0)),
    ),
    (
        "frame larger than frame_max",
        |raw| raw.send(&[3, 0, 1, 0, 3, 13, 64]),
        Connection(501, "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,200000,131064}", (0, 0)),
    ),
    (
        "four GiB announced",
        |raw| raw.send(&[1, 0, 1, 255, 255, 255, 255]),
        Connection(
            501,
            "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,4294967295,131064}",
            (0, 0),
        ),
    ),
    (
        "heartbeat on channel 1",
        |raw| raw.frame(8, 1, b""),
        Connection(505, "UNEXPECTED_FRAME - type 8, all octets = <<>>", (0, 0)),
    ),
    (
        "heartbeat with payload",
        |raw| raw.frame(8, 0, b"x"),
        Connection(501, "FRAME_ERROR - type 8, all octets = <<\"x\">>: unknown_frame", (0, 0)),
    ),
    (
        "body frame with no publish",
        |raw| raw.frame(3, 1, b"abc"),
        Connection(505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead", (0, 0)),
    ),
    (
        "header frame with no publish",
        |raw| raw.frame(2, 1, &header(0, 0, &[])),
        Connection(505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead", (0, 0)),
    ),
    (
        "body frame on channel 0",
        |raw| raw.frame(3, 0, b"abc"),
        Connection(505, "UNEXPECTED_FRAME - type 3, all octets", (0, 0)),
    ),
    (
        "method of two bytes",
        |raw| raw.frame(1, 1, &[0, 60]),
        Connection(501, "FRAME_ERROR - type 1, all octets = <<0,60>>: unknown_frame", (0, 0)),
    ),
];

#[test]
fn frames() {
    check(FRAMES);
}
