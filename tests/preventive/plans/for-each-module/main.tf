resource "aws_iam_user" "person" {
  for_each = toset(["alice", "bob"])
  name     = each.key
}

module "console" {
  source = "./console"
  user   = aws_iam_user.person["bob"].id
}

module "key" {
  source   = "./key"
  for_each = aws_iam_user.person
  user     = each.value.id
}
