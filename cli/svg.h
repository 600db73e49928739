/*
 * Drawings as SVG 1.1: well-formed, self-contained, for light and dark surroundings. How a shape looks is its class; the
 * colours of the classes are here in one place.
 *
 *   page               the ground
 *   ink, quiet         text and lines: of full weight, of less
 *   grid               lines that only guide the eye
 *   s0 .. s7           what belongs to series 0 to 7: fills, and strokes of paths; told apart without colour vision, too
 */
#ifndef CLI_SVG_H
#define CLI_SVG_H

#include "abi/types.h"
#include <stdio.h>

#define SVG_SERIES 8

enum svg_anchor { SVG_START, SVG_MIDDLE, SVG_END };

struct svg_point {
	double x, y;
};

/* Begins a drawing of that size in pixels. `title` and `description` are for who does not see it. */
void svg_begin(FILE *to, double width, double height, const char *title, const char *description);
void svg_end(FILE *to);

/* A filled rectangle; `tip`, if not NULL, is what it says when it is pointed at. */
void svg_rect(FILE *to, double x, double y, double width, double height, const char *class, const char *tip);

void svg_line(FILE *to, struct svg_point from, struct svg_point end, const char *class);

/* A line through points that are not filled. */
void svg_path(FILE *to, const struct svg_point *points, size_t count, const char *class);

/* Text whose base line is at y. */
void svg_text(FILE *to, double x, double y, enum svg_anchor anchor, const char *class, const char *format,
	      ...) __attribute__((format(printf, 6, 7)));

#endif
