/* Writes SVG: see svg.h. */
#include "cli/svg.h"
#include "cli/memory.h"
#include <stdarg.h>
#include <stdlib.h>

/*
 * The series' colours are those of Okabe and Ito (2008), which people of all kinds of colour vision tell apart; yellow is
 * darker than theirs, for white ground.
 */
static const char style[] = "<style>\n"
			    "text{font-family:system-ui,sans-serif;font-size:12px}\n"
			    ".title{font-size:18px;font-weight:600}\n"
			    ".head{font-size:14px;font-weight:600}\n"
			    ".page{fill:#ffffff}\n"
			    "text.ink,text.title,text.head{fill:#1c1c1c}\n"
			    "text.quiet{fill:#5a5a5a}\n"
			    "line.ink,path.ink{stroke:#1c1c1c;stroke-width:1}\n"
			    "line.grid{stroke:#dddddd;stroke-width:1}\n"
			    "line.quiet{stroke:#5a5a5a;stroke-width:1;stroke-dasharray:4 3}\n"
			    "path{fill:none;stroke-width:2}\n"
			    "rect.s0{fill:#b4b4b4}path.s0{stroke:#b4b4b4}\n"
			    "rect.s1{fill:#009e73}path.s1{stroke:#009e73}\n"
			    "rect.s2{fill:#d9a500}path.s2{stroke:#d9a500}\n"
			    "rect.s3{fill:#d55e00}path.s3{stroke:#d55e00}\n"
			    "rect.s4{fill:#0072b2}path.s4{stroke:#0072b2}\n"
			    "rect.s5{fill:#a3195b}path.s5{stroke:#a3195b}\n"
			    "rect.s6{fill:#56b4e9}path.s6{stroke:#56b4e9}\n"
			    "rect.s7{fill:#e3e3e3}path.s7{stroke:#e3e3e3}\n"
			    "@media (prefers-color-scheme:dark){\n"
			    ".page{fill:#16181c}\n"
			    "text.ink,text.title,text.head{fill:#ececec}\n"
			    "text.quiet{fill:#a8a8a8}\n"
			    "line.ink,path.ink{stroke:#ececec}\n"
			    "line.grid{stroke:#34373d}\n"
			    "line.quiet{stroke:#a8a8a8}\n"
			    "rect.s0{fill:#757a82}path.s0{stroke:#757a82}\n"
			    "rect.s4{fill:#3d9bd6}path.s4{stroke:#3d9bd6}\n"
			    "rect.s5{fill:#d9488c}path.s5{stroke:#d9488c}\n"
			    "rect.s7{fill:#3b3f46}path.s7{stroke:#3b3f46}\n"
			    "}\n"
			    "</style>\n";

/* Text in which nothing means anything to XML; control characters, which XML 1.0 does not have, are left out. */
static void put_escaped(FILE *to, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '&')
			fputs("&amp;", to);
		else if (c == '<')
			fputs("&lt;", to);
		else if (c == '>')
			fputs("&gt;", to);
		else if (c == '"')
			fputs("&quot;", to);
		else if (c >= 0x20 && c < 0x7f)
			fputc(c, to);
		else if (c >= 0x80)
			fputc('?', to);
	}
}

void svg_begin(FILE *to, double width, double height, const char *title, const char *description)
{
	fprintf(to,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n<title>",
		width, height, width, height);
	put_escaped(to, title);
	fputs("</title>\n<desc>", to);
	put_escaped(to, description);
	fputs("</desc>\n", to);
	fputs(style, to);
	svg_rect(to, 0, 0, width, height, "page", NULL);
}

void svg_end(FILE *to)
{
	fputs("</svg>\n", to);
}

void svg_rect(FILE *to, double x, double y, double width, double height, const char *class, const char *tip)
{
	fprintf(to, "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"", class, x, y,
		width, height);
	if (!tip) {
		fputs("/>\n", to);
		return;
	}
	fputs("><title>", to);
	put_escaped(to, tip);
	fputs("</title></rect>\n", to);
}

void svg_line(FILE *to, struct svg_point from, struct svg_point end, const char *class)
{
	fprintf(to, "<line class=\"%s\" x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\"/>\n", class, from.x,
		from.y, end.x, end.y);
}

void svg_path(FILE *to, const struct svg_point *points, size_t count, const char *class)
{
	if (!count)
		return;
	fprintf(to, "<path class=\"%s\" d=\"", class);
	for (size_t i = 0; i < count; i++)
		fprintf(to, "%c%.2f %.2f", i ? 'L' : 'M', points[i].x, points[i].y);
	fputs("\"/>\n", to);
}

void svg_text(FILE *to, double x, double y, enum svg_anchor anchor, const char *class, const char *format,
	      ...)
{
	static const char *const anchors[] = { "start", "middle", "end" };
	va_list list;
	char *text;

	va_start(list, format);
	text = memory_format_list(format, list);
	va_end(list);
	fprintf(to, "<text class=\"%s\" x=\"%.2f\" y=\"%.2f\" text-anchor=\"%s\">", class, x, y,
		anchors[anchor]);
	put_escaped(to, text);
	fputs("</text>\n", to);
	free(text);
}
