/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "controlplane/oss_xml.h"

#define ROOT(inside)   "<LiveChannelConfiguration>" inside "</LiveChannelConfiguration>"
#define TARGET(inside) ROOT("<Target><Type>HLS</Type>" inside "</Target>")

static bool parse(struct channel_config *c, const char *xml, struct refusal *r)
{
	*r = (struct refusal){0};
	return channel_config_parse(c, xml, strlen(xml), r);
}

static void test_the_example_of_the_documentation(void **state)
{
	struct channel_config c;
	struct refusal r;

	assert_true(parse(&c,
			  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" ROOT(
				  "\n<Description>a &lt;b&gt;</Description>\n"
				  "<Status> disabled </Status>\n"
				  "<Target>\n<Type>HLS</Type>\n<FragDuration>2</FragDuration>\n"
				  "<FragCount>100</FragCount>\n"
				  "<PlaylistName>x.m3u8</PlaylistName>\n</Target>\n<Later/>\n"),
			  &r));
	assert_string_equal(c.description, "a <b>");
	assert_false(c.enabled);
	assert_int_equal(c.frag_duration_s, 2);
	assert_int_equal(c.frag_count, 100);
	assert_string_equal(c.playlist, "x.m3u8");
}

static void test_defaults(void **state)
{
	struct channel_config c;
	struct refusal r;

	assert_true(parse(&c, TARGET(""), &r));
	assert_string_equal(c.description, "");
	assert_true(c.enabled);
	assert_int_equal(c.frag_duration_s, 5);
	assert_int_equal(c.frag_count, 3);
	assert_string_equal(c.playlist, "playlist.m3u8");
}

static void test_what_is_wrong_is_named_with_its_code(void **state)
{
	static const struct {
		const char *xml, *code, *in_message;
	} cases[] = {
		{"", "MalformedXML", "body"},
		{"<LiveChannelConfiguration>", "MalformedXML", "well-formed"},
		{"<Other/>", "MalformedXML", "LiveChannelConfiguration"},
		{ROOT(""), "MalformedXML", "Target"},
		{ROOT("<Target><Type>DASH</Type></Target>"), "InvalidArgument", "Target/Type"},
		{TARGET("<FragDuration>0</FragDuration><FragCount>1</FragCount>"),
		 "InvalidArgument", "0044-00000014"},
		{TARGET("<FragDuration>1x</FragDuration><FragCount>1</FragCount>"),
		 "InvalidArgument", "0044-00000014"},
		{TARGET("<FragDuration>5</FragDuration><FragCount>101</FragCount>"),
		 "InvalidArgument", "0044-00000015"},
		{TARGET("<FragDuration>5</FragDuration>"), "InvalidArgument", "0044-00000015"},
		{TARGET("<FragCount>5</FragCount>"), "InvalidArgument", "0044-00000014"},
		{TARGET("<PlaylistName>a.mp4</PlaylistName>"), "InvalidArgument", "0044-00000018"},
		{TARGET("<PlaylistName>.m3u8</PlaylistName>"), "InvalidArgument", "0044-00000018"},
		{TARGET("<PlaylistName>../x.m3u8</PlaylistName>"), "InvalidArgument",
		 "0044-00000018"},
		{TARGET("") "<!-- -->", NULL, NULL},
		{ROOT("<Status>on</Status><Target><Type>HLS</Type></Target>"), "InvalidArgument",
		 "0044-00000002"},
		{ROOT("<Snapshot/><Target><Type>HLS</Type></Target>"), "NotImplemented",
		 "Snapshot"},
		{"<!DOCTYPE a [<!ENTITY b \"c\">]>" TARGET(""), "MalformedXML", "document type"},
	};
	struct channel_config c;
	struct refusal r;

	for (unsigned i = 0; i < array_len(cases); i++) {
		bool fine = parse(&c, cases[i].xml, &r);

		if (!cases[i].code) {
			assert_true(fine);
			continue;
		}
		assert_false(fine);
		assert_string_equal(r.code, cases[i].code);
		assert_non_null(strstr(r.message, cases[i].in_message));
	}
}

static void test_bounds_of_texts(void **state)
{
	char xml[1024], text[200];
	struct channel_config c;
	struct refusal r;

	memset(text, 'd', sizeof(text));
	for (int n = 127; n <= 130; n++) {
		snprintf(xml, sizeof(xml),
			 ROOT("<Description>%.*s</Description><Target><Type>HLS</Type></Target>"),
			 n, text);
		assert_int_equal(parse(&c, xml, &r), n <= 128);
	}
	for (int n = 5; n <= 130; n++) {
		snprintf(xml, sizeof(xml), "%.*s.m3u8", n - 5, text);
		assert_int_equal(channel_playlist_fine(xml), n >= 6 && n <= 128);
	}
}

static void test_documents_are_escaped(void **state)
{
	struct xml *x = xml_new("A");
	size_t n;
	char *text;

	xml_text(x, "B", "1 < 2 & \"3\"");
	xml_open(x, "C");
	xml_put(x, "D", "%d", 7);
	xml_close(x);
	text = xml_done(x, &n);
	assert_int_equal(n, strlen(text));
	assert_string_equal(text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
				  "<A><B>1 &lt; 2 &amp; &quot;3&quot;</B><C><D>7</D></C></A>\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_example_of_the_documentation),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_what_is_wrong_is_named_with_its_code),
		cmocka_unit_test(test_bounds_of_texts),
		cmocka_unit_test(test_documents_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
