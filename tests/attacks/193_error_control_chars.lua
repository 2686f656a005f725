-- class: output
-- expect: RUNTIME
-- note: an error's text holds escapes, line ends and zeros
error("\27]0;title\7\r\nlevel=error msg=forged\0\xff\xfe")
