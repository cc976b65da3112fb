module "person" {
  source = "./person"
}
