/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_pii - personal data: what proves that it is some.
 *
 *   card    13-19 digits in groups of three and more, the issuer's first digits and its lengths,
 *           and Luhn (ISO/IEC 7812-1)
 *   iban    the country's length and ISO 7064 mod 97-10 = 1, in groups of four or without spaces
 *   email   local@domain.tld, ASCII; of the local part letters, digits and . _ % + -
 *   phone   + and a calling code that exists (ITU-T E.164), 9 to 15 digits
 *
 * Nothing here reads more than 64 bytes but an e-mail's domain.
 */
#include <string.h>

#include "policies/redact.h"

/* ---- cards ---- */

#define CARD_MIN  13
#define CARD_MAX  19
#define ZEROS_END 56 /* bytes from the start of a number within which zeros behind a point end */

static bool
luhn(const char *digits, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned d = (unsigned)(digits[n - 1 - i] - '0');

		if (i % 2 == 1)
			d = d * 2 > 9 ? d * 2 - 9 : d * 2;
		sum += d;
	}
	return sum % 10 == 0;
}

/* First four digits from..to have these lengths, a bit each. */
#define LEN(n) (1u << (n))
static const struct issuer {
	int from, to;
	unsigned lengths;
} issuers[] = {
	{ 4000, 4999, LEN(13) | LEN(16) | LEN(19) }, /* Visa */
	{ 5100, 5599, LEN(16) },
	{ 2221, 2720, LEN(16) }, /* Mastercard */
	{ 3400, 3499, LEN(15) },
	{ 3700, 3799, LEN(15) }, /* American Express */
	{ 6011, 6011, LEN(16) | LEN(19) },
	{ 6440, 6599, LEN(16) | LEN(19) }, /* Discover */
	{ 3000, 3059, LEN(14) | LEN(16) },
	{ 3600, 3699, LEN(14) | LEN(16) }, /* Diners Club */
	{ 3800, 3999, LEN(14) | LEN(16) },
	{ 3528, 3589, LEN(16) | LEN(19) },                     /* JCB */
	{ 6200, 6299, LEN(16) | LEN(17) | LEN(18) | LEN(19) }, /* UnionPay */
	{ 5018, 5018, LEN(13) | LEN(16) | LEN(19) },           /* Maestro */
	{ 5020, 5020, LEN(13) | LEN(16) | LEN(19) },
	{ 5038, 5038, LEN(13) | LEN(16) | LEN(19) },
	{ 6304, 6304, LEN(13) | LEN(16) | LEN(19) },
	{ 6759, 6763, LEN(13) | LEN(16) | LEN(19) },
};

bool
card_digits(const char *digits, size_t n)
{
	int first = 0;

	if (n < CARD_MIN || n > CARD_MAX)
		return false;
	for (int i = 0; i < 4; i++)
		first = first * 10 + digits[i] - '0';
	for (size_t i = 0; i < COUNT(issuers); i++)
		if (first >= issuers[i].from && first <= issuers[i].to &&
		    issuers[i].lengths & LEN(n))
			return luhn(digits, n);
	return false;
}

/* May a number end here?  Not in front of a digit, a letter, or a decimal that is not zero. */
static bool
number_ends(const struct look *l, size_t at)
{
	if (at >= l->n)
		return true;
	if (is_alnum(l->p[at]) || l->p[at] == '_')
		return false;
	if (l->p[at] != '.' || at + 1 >= l->n || !is_digit(l->p[at + 1]))
		return true;
	for (at++; at < l->n && at < ZEROS_END && l->p[at] == '0'; at++)
		;
	return at == l->n || at == ZEROS_END || !is_digit(l->p[at]);
}

static bool
number_starts(const struct look *l)
{
	return !is_alnum(l->before) && l->before != '_' && l->before != '.' && l->before != '+';
}

/* The longest card that ends with one of the groups of digits that begin here. */
size_t
card_judge(const struct look *l)
{
	char digits[CARD_MAX + 1];
	size_t n = 0, at = 0, best = 0;

	if (!number_starts(l))
		return 0;
	while (at < l->n && n <= CARD_MAX) {
		size_t group = at;

		while (at < l->n && n <= CARD_MAX && is_digit(l->p[at]))
			digits[n++] = l->p[at++];
		if (n > CARD_MAX)
			break;
		if (card_digits(digits, n) && number_ends(l, at))
			best = at;
		if (at - group < 3 || at + 1 >= l->n || (l->p[at] != ' ' && l->p[at] != '-') ||
		    !is_digit(l->p[at + 1]))
			break;
		at++;
	}
	return best;
}

/* ---- IBAN ---- */

static const char iban_lengths[] =
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24"
    "FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32"
    "LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24"
    "RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";
#define IBAN_MAX 34

static int
upper(int c)
{
	return c >= 'a' && c <= 'z' ? c - 32 : c;
}

static size_t
iban_length(const char *p)
{
	for (const char *c = iban_lengths; *c != '\0'; c += 4)
		if (c[0] == upper(p[0]) && c[1] == upper(p[1]))
			return (size_t)(c[2] - '0') * 10 + (size_t)(c[3] - '0');
	return 0;
}

static bool
mod97(const char *iban, size_t n)
{
	unsigned rest = 0;

	for (size_t i = 0; i < n; i++) {
		int c = upper(iban[(i + 4) % n]);

		rest = is_digit(c) ? rest * 10 + (unsigned)(c - '0')
				   : rest * 100 + (unsigned)(c - 'A' + 10);
		rest %= 97;
	}
	return rest == 1;
}

size_t
iban_judge(const struct look *l)
{
	char iban[IBAN_MAX];
	size_t want, n = 0, at = 0;

	if (is_alnum(l->before) || l->n < 15 || !is_digit(l->p[3]))
		return 0;
	want = iban_length(l->p);
	while (n < want && at < l->n) {
		if (is_alnum(l->p[at]))
			iban[n++] = l->p[at];
		else if ((l->p[at] != ' ' && l->p[at] != '-') || n % 4 != 0)
			return 0;
		at++;
	}
	if (want == 0 || n < want || !mod97(iban, n))
		return 0;
	return at < l->n && is_alnum(l->p[at]) ? 0 : at;
}

/* ---- e-mail ---- */

bool
email_local(unsigned char c)
{
	return is_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-';
}

/* Names of files that look like addresses: icon@2x.png, and packages: lib@4.1.x. */
static bool
domain_of_files(const char *p, size_t first)
{
	return first >= 2 && is_digit(p[0]) && p[first - 1] == 'x';
}

size_t
domain_judge(const struct look *l)
{
	size_t at = 0, label = 0, labels = 0, first = 0, letters = 0, good = 0;

	for (; at <= l->n && at <= 255; at++) {
		int c = at < l->n ? (unsigned char)l->p[at] : 0;

		if (at == l->n && l->more)
			return LOOK_MORE;
		if (is_alnum(c) || (c == '-' && at > label)) {
			letters += (size_t)is_letter(c);
			continue;
		}
		if (at == label || at - label > 63 || l->p[at - 1] == '-')
			break;
		first = labels == 0 ? at : first;
		if (++labels > 1 && letters == at - label && letters >= 2)
			good = at;
		if (c != '.')
			break;
		label = at + 1;
		letters = 0;
	}
	return good > 0 && domain_of_files(l->p, first) ? 0 : good;
}

/* ---- phones ---- */

#define PHONE_MIN 9
#define PHONE_MAX 15

/* Calling codes of one and two digits, and the first two of those with three. */
static bool
calling_code(const char *digits, size_t n)
{
	static const char two[] = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 "
				  "54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 "
				  "95 98 21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 "
				  "88 96 97 99";

	if (digits[0] == '1') /* North America: area and exchange begin with 2-9 */
		return n == 11 && digits[1] > '1' && digits[4] > '1';
	if (digits[0] == '7')
		return n == 11;
	for (const char *c = two; *c != '\0'; c += c[2] == '\0' ? 2 : 3)
		if (c[0] == digits[0] && c[1] == digits[1])
			return true;
	return false;
}

size_t
phone_judge(const struct look *l)
{
	char digits[PHONE_MAX];
	size_t n = 0, at = 1, best = 0, gap = 0;

	if (is_alnum(l->before) || l->before == '+' || l->n < PHONE_MIN || !is_digit(l->p[1]))
		return 0;
	for (; at < l->n && at < REDACT_AHEAD; at++) {
		if (is_digit(l->p[at])) {
			if (n == PHONE_MAX)
				break;
			digits[n++] = l->p[at];
			gap = 0;
			continue;
		}
		if (gap == 0 && n >= PHONE_MIN && calling_code(digits, n) && number_ends(l, at))
			best = at;
		if (memchr(" -.()/", l->p[at], 6) == NULL || ++gap > 2)
			break;
	}
	if (gap == 0 && n >= PHONE_MIN && calling_code(digits, n) && number_ends(l, at))
		best = at;
	return best;
}
