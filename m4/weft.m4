dnl SPDX-License-Identifier: GPL-3.0-or-later

dnl WEFT_PKG(PREFIX, MODULES, DEBIAN-PACKAGE, FEDORA-PACKAGE)
dnl Requires a pkg-config module; a missing one is reported with the packages that bring it.
AC_DEFUN([WEFT_PKG], [
PKG_CHECK_MODULES([$1], [$2], [], [
	AC_MSG_ERROR([$2 is missing.
  Debian, Ubuntu: apt-get install $3
  Fedora, RHEL:   dnf install $4])])
])

dnl WEFT_PROG(VARIABLE, PROGRAM, DEBIAN-PACKAGE, FEDORA-PACKAGE)
AC_DEFUN([WEFT_PROG], [
AC_PATH_PROG([$1], [$2])
AS_IF([test -z "$$1"], [
	AC_MSG_ERROR([the program $2 is missing.
  Debian, Ubuntu: apt-get install $3
  Fedora, RHEL:   dnf install $4])])
])

dnl WEFT_LIB(VARIABLE, LIBRARY, FUNCTION, HEADER, DEBIAN-PACKAGE, FEDORA-PACKAGE)
dnl For a library whose pkg-config file lists far more than a C program links.
AC_DEFUN([WEFT_LIB], [
weft_saved_LIBS=$LIBS
AC_CHECK_HEADER([$4], [weft_found=yes], [weft_found=no])
AS_IF([test $weft_found = yes], [AC_CHECK_LIB([$2], [$3], [:], [weft_found=no])])
LIBS=$weft_saved_LIBS
AS_IF([test $weft_found = no], [
	AC_MSG_ERROR([lib$2 ($4) is missing.
  Debian, Ubuntu: apt-get install $5
  Fedora, RHEL:   dnf install $6])])
$1="-l$2"
AC_SUBST([$1])
])

dnl WEFT_CFLAGS(VARIABLE, FLAGS): appends each flag that the compiler takes without a warning.
AC_DEFUN([WEFT_CFLAGS], [
m4_foreach_w([weft_flag], [$2], [
	AX_CHECK_COMPILE_FLAG(weft_flag, [AS_VAR_APPEND([$1], [" weft_flag"])], [], [-Werror])])
])

dnl WEFT_HARDEN(FLAG): the same, unless the distributor's CFLAGS already decide on it.
AC_DEFUN([WEFT_HARDEN], [
m4_foreach_w([weft_flag], [$1], [
	AS_CASE([" $CFLAGS $CPPFLAGS "],
		[*m4_bpatsubst(weft_flag, [=.*], [])*], [],
		[AX_CHECK_COMPILE_FLAG(weft_flag,
			[AS_VAR_APPEND([HARDENING_CFLAGS], [" weft_flag"])], [], [-Werror])])])
])
