resource "aws_iam_user" "person" {
  count = 2
  name  = "person-${count.index}"
}

resource "aws_iam_user_login_profile" "person" {
  count = 2
  user  = aws_iam_user.person[count.index].name
}

resource "aws_iam_access_key" "person" {
  count = 1
  user  = aws_iam_user.person[count.index].id
}
